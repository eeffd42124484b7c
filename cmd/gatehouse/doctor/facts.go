package doctor

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"gatehouse/cluster"
	"gatehouse/cluster/disk"
	"gatehouse/keyring"
	"gatehouse/keyring/autounseal"
)

// facts are all that was seen. Checks read them and nothing else.
type facts struct {
	in     Input
	now    time.Time
	uid    int // of whoever runs the doctor
	key    keyFacts
	dir    dirFacts
	audit  auditFacts
	daemon daemonFacts
	names  []nameFact
	dns    []nameFact // as the master's own DNS answers
	peers  []peerFact
	ports  []portFact
	clock  clockFacts
	tls    tlsFacts
	token  error // why the files of the PKCS#11 token cannot be used
}

type keyFacts struct {
	err  error // why it cannot be used
	mode fs.FileMode
	uid  int
	ring *keyring.Ring // nil if it cannot be used
}

type dirFacts struct {
	missing     bool
	err         error // why it cannot be looked at
	mode        fs.FileMode
	uid         int
	identity    *disk.Identity // nil before there is one
	identityErr error
	holder      int // process id, 0 if no process has it
	holderErr   error
	stopped     bool // somebody has stopped that process, with SIGSTOP or a debugger
	room        disk.Room
	roomErr     error
	syncs       []time.Duration // of small writes, the fastest first
	syncErr     error
	inspected   bool
	damage      error
}

type nameFact struct {
	name  string // host of a join address
	addrs []string
	err   error
}

// peerFact is what came of asking one peer port.
type peerFact struct {
	address string
	origin  string // why it was asked: "--peer", "--join NAME", "node.json", …
	sure    bool   // a peer port is really there, rather than guessed
	result  cluster.ProbeResult
	err     error
}

// portFact is what came of one connection.
type portFact struct {
	what    string // "api", "gossip", "gossip-udp"
	master  string
	address string
	err     error
}

const (
	localLimit  = 3 * time.Second // of each look at files and disk
	damageLimit = 7 * time.Second // of reading all data
	namesLimit  = 2500 * time.Millisecond
	probeLimit  = 2500 * time.Millisecond
	portsLimit  = 1500 * time.Millisecond
	daemonLimit = 2500 * time.Millisecond
)

// examine looks at everything.
func examine(ctx context.Context, in Input) *facts {
	f := &facts{in: in, now: time.Now(), uid: os.Getuid()}
	f.lookAtFiles(ctx)
	var local, remote errgroup.Group
	local.Go(func() error { f.lookAtDisk(ctx); return nil })
	local.Go(func() error { f.clock = lookAtClock(); return nil })
	remote.Go(func() error { f.daemon = lookAtDaemon(ctx, in); return nil })
	remote.Go(func() error { f.names = resolve(ctx, hostsOf(in.Join), in.LookupHost); return nil })
	remote.Go(func() error { f.dns = resolve(ctx, in.DNSNames, ownDNS(in.DNSListen)); return nil })
	_ = remote.Wait() // never fails
	f.askPeers(ctx)
	f.knock(ctx)
	_ = local.Wait() // never fails
	return f
}

// lookAtFiles looks at what the settings name.
func (f *facts) lookAtFiles(ctx context.Context) {
	var all errgroup.Group
	all.Go(func() (err error) {
		f.key, err = within(ctx, localLimit, func() (keyFacts, error) { return lookAtKey(f.in.KeyFile), nil })
		f.key.err = errors.Join(f.key.err, err)
		return nil
	})
	all.Go(func() (err error) {
		f.dir, err = within(ctx, localLimit, func() (dirFacts, error) { return lookAtDir(f.in), nil })
		f.dir.err = errors.Join(f.dir.err, err)
		return nil
	})
	all.Go(func() (err error) {
		f.audit, err = within(ctx, localLimit, func() (auditFacts, error) { return lookAtAudit(f.in.AuditLog), nil })
		f.audit.err = errors.Join(f.audit.err, err)
		return nil
	})
	all.Go(func() (err error) {
		f.tls, err = within(ctx, localLimit, func() (tlsFacts, error) { return lookAtTLS(f.in), nil })
		f.tls.pairErr = errors.Join(f.tls.pairErr, err)
		return nil
	})
	all.Go(func() error {
		if f.in.AutoUnseal == autounseal.NamePKCS11 {
			_, f.token = within(ctx, localLimit, func() (struct{}, error) { return struct{}{}, f.in.PKCS11.Check() })
		}
		return nil
	})
	_ = all.Wait() // never fails
}

// within gives a step that cannot be interrupted, such as a call to a disk that hangs, a limited time.
func within[T any](ctx context.Context, limit time.Duration, step func() (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		v, err := step()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}
