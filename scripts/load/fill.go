package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

// fillBatch is how many changes one request of the filling makes.
const fillBatch = 2000

func person(i int) string { return fmt.Sprintf("user-%07d@example.com", i) }

func team(i int) string { return fmt.Sprintf("group-%06d", i) }

func service(i int) string {
	return fmt.Sprintf("dcos:service:marathon:marathon:services:/team-%06d", i)
}

// kinds are what a company of n people consists of, in an order in which each refers to what there is already. Half of the grants
// are to groups.
func kinds(n int) []kind {
	teams, services := max(1, n/100), max(1, n/10)
	return []kind{
		{"users", n, func(i int) string {
			return fmt.Sprintf(`{"user":{"uid":%q,"description":"User number %d of a large company, whose record is about as long as the hash of a password would make it, and that is this long"}}`, person(i), i)
		}},
		{"groups", teams, func(i int) string { return fmt.Sprintf(`{"group":{"gid":%q,"description":"Team %d"}}`, team(i), i) }},
		{"acls", services, func(i int) string { return fmt.Sprintf(`{"acl":{"rid":%q,"description":"Service %d"}}`, service(i), i) }},
		{"memberships", n, func(i int) string { return fmt.Sprintf(`{"member":{"gid":%q,"uid":%q}}`, team(i*31%teams), person(i)) }},
		{"grants", n, func(i int) string {
			rid := service(i % services)
			if i/services%2 == 0 {
				return fmt.Sprintf(`{"grant":{"rid":%q,"uid":%q,"actions":["read"]}}`, rid, person(i*7919%n))
			}
			return fmt.Sprintf(`{"grant":{"rid":%q,"gid":%q,"actions":["read","update"]}}`, rid, team((i+i/services)%teams))
		}},
	}
}

type kind struct {
	name   string
	n      int
	change func(i int) string
}

// fill makes the company through the API. A batch of which it is not known whether it was applied is sent again: it says how
// things shall be.
func (c *company) fill(ctx context.Context) ([]result, error) {
	client := rig.NewClient(time.Minute)
	defer client.Close()
	for _, k := range kinds(c.people) {
		start := time.Now()
		for from := 0; from < k.n; from += fillBatch {
			body := k.batch(from, min(from+fillBatch, k.n))
			err := rig.Await(ctx, time.Minute, "a leader that takes it", func(ctx context.Context) error {
				_, err := client.Expect(ctx, http.StatusNoContent, rig.Request{Method: http.MethodPost, URL: c.Masters[0].API + "/gatehouse/v1/iam/apply", Token: c.token, Body: body})
				return err
			})
			if err != nil {
				return nil, fmt.Errorf("make %s from %d on: %w", k.name, from, err)
			}
		}
		took := time.Since(start)
		fmt.Fprintf(c.out, "%d %s in %.1f s, %.0f/s\n", k.n, k.name, took.Seconds(), float64(k.n)/took.Seconds())
	}
	return nil, nil
}

// batch is the body of one request.
func (k kind) batch(from, to int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"changes":[`)
	for i := from; i < to; i++ {
		if i > from {
			b.WriteByte(',')
		}
		b.WriteString(k.change(i))
	}
	b.WriteString(`]}`)
	return b.Bytes()
}
