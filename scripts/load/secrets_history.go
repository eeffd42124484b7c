package main

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"gatehouse/cmd/gatehouse/e2e/rig"
)

const (
	historySecrets  = 100
	historyVersions = 10
	// historyMemory and historyDisk are how much a master may take for each byte that the store holds: what lies in memory,
	// with the collector's room beside it; two snapshots and the log behind them.
	historyMemory = 2.5
	historyDisk   = 4
	// historyCatchUp is how long a master may take that was away all the while, and gets a snapshot.
	historyCatchUp = 60 * time.Second
)

// history fills the store with many versions of large secrets while one master is away.
func history(ctx context.Context, l *lab) ([]result, error) {
	v, err := l.vault(ctx, "history", "--secrets-max-bytes", "2GiB")
	if err != nil {
		return nil, err
	}
	defer v.Close()
	leader, err := v.Leader(ctx)
	if err != nil {
		return nil, err
	}
	late := v.Followers(leader)[1]
	if err := late.Kill(); err != nil {
		return nil, err
	}
	if err := v.fillHistory(ctx, leader); err != nil {
		return nil, err
	}
	held, err := v.holdings(ctx)
	if err != nil {
		return nil, err
	}
	results := []result{{
		Promise: "versions kept",
		Figure:  fmt.Sprintf("%d of %d secrets, %d MiB", held.Versions, held.Secrets, held.Bytes>>20),
		Goal:    strconv.Itoa(historySecrets * historyVersions),
		Reached: held.Versions == historySecrets*historyVersions,
	}}
	took, err := v.comeBack(ctx, late)
	if err != nil {
		return nil, err
	}
	results = append(results, atMost(late.Name+": from its start to its first answer, after being away", took.Seconds(), historyCatchUp.Seconds(), "s"))
	more, err := v.weigh(held.Bytes)
	return append(results, more...), err
}

// fillHistory writes every secret so many times.
func (v *vault) fillHistory(ctx context.Context, leader *rig.Master) error {
	const writers = 8
	body := secretBody(largeSecret)
	write := func(method string) func(int) request {
		return func(i int) request {
			return request{method: method, path: secretPath + v.run + "/" + strconv.Itoa(i%historySecrets), token: v.token, body: body}
		}
	}
	if err := v.send(ctx, leader, writers, historySecrets, write("PUT")); err != nil {
		return err
	}
	return v.send(ctx, leader, writers, historySecrets*(historyVersions-1), write("PATCH"))
}

// comeBack starts a master and waits until it answers a read of a secret.
func (v *vault) comeBack(ctx context.Context, m *rig.Master) (time.Duration, error) {
	start := time.Now()
	if err := m.Start(); err != nil {
		return 0, err
	}
	return v.usable(ctx, start, m, secretPath+v.run+"/0")
}

// weigh looks at what each master takes for so many bytes of sealed values.
func (v *vault) weigh(bytes int64) (results []result, err error) {
	mib := float64(bytes >> 20)
	for _, m := range v.Masters {
		memory, err := resident(m, "RssAnon")
		if err != nil {
			return nil, err
		}
		disk, parts, err := diskUse(m.DataDir)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(v.lab.out, "  %s: %s\n", m.Name, parts)
		results = append(results, atMost(m.Name+": memory", memory, mib*historyMemory, "MiB"), atMost(m.Name+": disk", disk, mib*historyDisk, "MiB"))
	}
	return results, nil
}

// diskUse adds up the files of a data directory, in MiB.
func diskUse(dir string) (mib float64, parts string, err error) {
	var names []string
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		size := float64(info.Size()) / (1 << 20)
		if mib += size; size >= 1 {
			name, _ := filepath.Rel(dir, path)
			names = append(names, fmt.Sprintf("%s %.0f MiB", name, size))
		}
		return nil
	})
	return mib, strings.Join(names, ", "), err
}
