package login

import (
	"context"
	"testing"
	"time"
)

func TestClientThatLeavesDoesNotHoldAFailedLogin(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	began := time.Now()
	if err := sleep(ctx, time.Hour); err == nil || time.Since(began) > time.Minute {
		t.Errorf("a cancelled sleep took %v and returned %v", time.Since(began), err)
	}
}
