package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// What is declared: 10,000 users, 500 groups of 20, 1,000 resources with 50 grants each.
const (
	declaredUsers  = 10_000
	declaredGroups = 500
	declaredACLs   = 1_000
	grantsPerACL   = 50
)

// Goals of the command line, from its start to its end.
const (
	declareGoal = 15 * time.Second
	planGoal    = 5 * time.Second
)

// declare makes a company from a file, looks at it, and takes it away again, with the command line as people have it.
func declare(ctx context.Context, l *lab) ([]result, error) {
	dir := filepath.Join(l.dir, "declare")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	company := filepath.Join(dir, "company.yaml")
	if err := os.WriteFile(company, []byte(companyFile()), 0o600); err != nil {
		return nil, err
	}
	token, err := l.client.Login(ctx, l.dev.APIs()[0], l.dev.Superuser.UID, l.dev.Superuser.Password)
	if err != nil {
		return nil, err
	}
	timed := func(args ...string) (time.Duration, error) {
		cmd := exec.CommandContext(ctx, l.dev.Binary, append(append([]string{"iam"}, args...), "--url", strings.Join(l.dev.APIs(), ","))...)
		cmd.Env = append(os.Environ(), "HOME="+dir, "GATEHOUSE_TOKEN="+token)
		begun := time.Now()
		out, err := cmd.CombinedOutput()
		took := time.Since(begun)
		if err != nil {
			return 0, fmt.Errorf("gatehouse iam %s: %w: %s", strings.Join(args, " "), err, out[max(0, len(out)-500):])
		}
		fmt.Fprintf(l.out, "  iam %s: %v\n", args[0], took.Round(time.Millisecond))
		return took, nil
	}
	before := filepath.Join(dir, "before.yaml")
	var results []result
	for _, step := range []struct {
		promise string
		goal    time.Duration
		args    []string
	}{
		{"", 0, []string{"export", "-o", before}},
		{"iam apply of 10,000 users, 10,000 members, 50,000 grants", declareGoal, []string{"apply", "--yes", "-f", company}},
		{"iam plan of the same, without a difference", planGoal, []string{"plan", "-f", company}},
		{"iam apply --prune that removes them", declareGoal, []string{"apply", "--yes", "--prune", "-f", before}},
	} {
		took, err := timed(step.args...)
		if err != nil {
			return nil, err
		}
		if step.promise != "" {
			results = append(results, result{step.promise, took.Round(time.Millisecond).String(), "", "under " + step.goal.String(), took < step.goal})
		}
	}
	return results, nil
}

// companyFile declares all of it.
func companyFile() string {
	var text strings.Builder
	text.WriteString("version: 1\nusers:\n")
	for i := range declaredUsers {
		fmt.Fprintf(&text, "  - uid: declared-%05d\n    description: Number %d\n", i, i)
	}
	text.WriteString("groups:\n")
	for g := range declaredGroups {
		fmt.Fprintf(&text, "  - gid: team-%03d\n    members:\n", g)
		for i := range declaredUsers / declaredGroups {
			fmt.Fprintf(&text, "      - declared-%05d\n", g*declaredUsers/declaredGroups+i)
		}
	}
	text.WriteString("acls:\n")
	for r := range declaredACLs {
		fmt.Fprintf(&text, "  - rid: dcos:service:marathon:marathon:services:/team-%04d\n    users:\n", r)
		for i := range grantsPerACL {
			fmt.Fprintf(&text, "      declared-%05d: [read, update]\n", (r*grantsPerACL+i*37)%declaredUsers)
		}
	}
	return text.String()
}
