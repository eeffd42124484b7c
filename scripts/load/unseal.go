package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

const (
	unsealGoal    = time.Second     // from the last share to the first answers of all masters
	restartGoal   = 2 * time.Second // from the start of a master to its first answer
	unsealTrials  = 9
	restartTrials = 5
)

// unseal gives shares to different masters, again and again, and restarts masters.
func unseal(ctx context.Context, l *lab) ([]result, error) {
	v, err := l.vault(ctx, "unseal", "--auto-unseal", "off")
	if err != nil {
		return nil, err
	}
	defer v.Close()
	shares, err := v.init(ctx, 5, 3)
	if err != nil {
		return nil, err
	}
	if _, err := v.open(ctx, shares, ""); err != nil {
		return nil, err
	}
	path := secretPath + v.run
	if err := v.putSecret(ctx, path, secretBody(smallSecret)); err != nil {
		return nil, err
	}
	var opened, restarted []time.Duration
	for range unsealTrials {
		if err := v.seal(ctx); err != nil {
			return nil, err
		}
		took, err := v.open(ctx, shares, path)
		if err != nil {
			return nil, err
		}
		opened = append(opened, took)
	}
	for i := range restartTrials {
		m := v.Masters[i%len(v.Masters)]
		if err := m.Kill(); err != nil {
			return nil, err
		}
		start := time.Now()
		if err := m.Start(); err != nil {
			return nil, err
		}
		took, err := v.usable(ctx, start, m, path)
		if err != nil {
			return nil, err
		}
		restarted = append(restarted, took)
	}
	return []result{
		worst("from the last of 3 shares until a secret can be read through each of three masters", opened, unsealGoal),
		worst("from the start of a master until a secret can be read through it", restarted, restartGoal),
	}, nil
}

// worst is the result of the longest of some times.
func worst(promise string, took []time.Duration, goal time.Duration) result {
	slices.Sort(took)
	middle, most := took[len(took)/2], took[len(took)-1]
	return result{
		Promise: promise,
		Figure:  fmt.Sprintf("median %v, worst %v", middle.Round(time.Millisecond), most.Round(time.Millisecond)),
		Against: fmt.Sprintf("%d trials", len(took)),
		Goal:    "under " + goal.String(),
		Reached: most < goal,
	}
}

// store asks master i something about the store and reads the answer into to.
func (v *vault) store(ctx context.Context, i int, verb string, body, to any) error {
	answer, err := v.client.Expect(ctx, http.StatusOK, rig.Request{
		Method: http.MethodPut, URL: v.Masters[i%len(v.Masters)].API + "/secrets/v1/" + verb + "/default", Token: v.token, Body: body,
	})
	if err != nil || to == nil {
		return err
	}
	return json.Unmarshal(answer.Body, to)
}

func (v *vault) init(ctx context.Context, shares, threshold int) ([]string, error) {
	var answer struct{ Keys []string }
	err := v.store(ctx, 0, "init", map[string]int{"shares": shares, "threshold": threshold}, &answer)
	return answer.Keys[:min(threshold, len(answer.Keys))], err
}

func (v *vault) seal(ctx context.Context) error {
	_, err := v.client.Do(ctx, rig.Request{Method: http.MethodPut, URL: v.api + "/secrets/v1/seal/default", Token: v.token})
	return err
}

// open gives each share to another master, and answers how long after the last one the path can be read through all of them. With
// an empty path it does not look.
func (v *vault) open(ctx context.Context, shares []string, path string) (took time.Duration, err error) {
	var start time.Time
	var status struct{ Sealed bool }
	for i, share := range shares {
		start = time.Now()
		if err := v.store(ctx, i, "unseal", map[string]string{"key": share}, &status); err != nil {
			return 0, err
		}
	}
	if status.Sealed {
		return 0, fmt.Errorf("the store is sealed after %d shares", len(shares))
	}
	for _, m := range v.Masters {
		if path == "" {
			break
		}
		if took, err = v.usable(ctx, start, m, path); err != nil {
			return 0, err
		}
	}
	return took, nil
}

// usable waits until the path can be read through a master, and answers how long after start that is.
func (v *vault) usable(ctx context.Context, start time.Time, m *rig.Master, path string) (took time.Duration, err error) {
	err = rig.Await(ctx, 5*time.Minute, m.Name+" answers", func(ctx context.Context) error {
		_, err := v.client.Expect(ctx, http.StatusOK, rig.Request{Method: http.MethodGet, URL: m.API + path, Token: v.token})
		took = time.Since(start)
		return err
	})
	return took, err
}
