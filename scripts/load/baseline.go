package main

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/argon2"
)

// signRate is how many RS256 signatures (RSA 2048) Go makes with workers goroutines for d.
func signRate(ctx context.Context, workers int, d time.Duration) (report, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return report{}, fmt.Errorf("generate a key: %w", err)
	}
	digest := sha256.Sum256([]byte("what a token says"))
	return spin(ctx, workers, d, func() error {
		_, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
		return err
	})
}

// argonRate is how many password hashes of the product's cost (argon2id, 19 MiB, t=2, p=1) Go makes likewise.
func argonRate(ctx context.Context, workers int, d time.Duration) (report, error) {
	salt := make([]byte, 16)
	return spin(ctx, workers, d, func() error {
		argon2.IDKey([]byte("correct horse"), salt, 2, 19<<10, 1, 32)
		return nil
	})
}

// spin calls work from every worker until d is over and answers its rate.
func spin(ctx context.Context, workers int, d time.Duration, work func() error) (report, error) {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	var done, failed atomic.Int64
	var all sync.WaitGroup
	start := time.Now()
	for range workers {
		all.Go(func() {
			for ctx.Err() == nil {
				if work() != nil {
					failed.Add(1)
					return
				}
				done.Add(1)
			}
		})
	}
	all.Wait()
	if failed.Load() > 0 {
		return report{}, fmt.Errorf("%d of %d workers failed", failed.Load(), workers)
	}
	took := time.Since(start)
	return report{Connections: workers, Seconds: took.Seconds(), OK: int(done.Load()), Rate: float64(done.Load()) / took.Seconds()}, nil
}
