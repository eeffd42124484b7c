package fsm

import (
	"bytes"
	"fmt"
	"runtime/debug"

	"gatehouse/fsm/state"
)

const (
	// batchRecords is how many records are handed over at once; the cost of handing over is then not noticed.
	batchRecords = 256
	// batchBytes ends a batch of long lines early, so that what waits is bounded by bytes, too.
	batchBytes = 256 << 10
	// waitingBatches is how many batches may wait.
	waitingBatches = 8
)

// batch is some records in their order, and what came in place of the next one.
type batch struct {
	records []state.Record
	err     error
	panic   any
}

// decoder reads the lines behind the header, and hands over their records until the footer fits them, or until the first error.
type decoder struct {
	lines   *lineReader
	batches chan batch
	stop    chan struct{}
	n       int // records so far
}

// end stops the decoder and waits until it no longer uses the lines.
func (d *decoder) end() {
	close(d.stop)
	for range d.batches {
	}
}

// run closes the channel of batches at its end. A panic goes to the receiver, to whom it would have come without a goroutine.
func (d *decoder) run() {
	defer close(d.batches)
	defer func() {
		if p := recover(); p != nil {
			d.send(batch{panic: fmt.Sprintf("%v\n%s", p, debug.Stack())})
		}
	}()
	for more := true; more; {
		var b batch
		b, more = d.next()
		more = d.send(b) && more
	}
}

// send reports whether somebody still wants batches.
func (d *decoder) send(b batch) bool {
	select {
	case d.batches <- b:
		return true
	case <-d.stop:
		return false
	}
}

// next reads the next batch, and whether there may be another.
func (d *decoder) next() (b batch, more bool) {
	b.records = make([]state.Record, 0, batchRecords)
	for size := 0; len(b.records) < batchRecords && size < batchBytes; {
		line, err := d.lines.next()
		if err != nil {
			b.err = fmt.Errorf("after %d records: %w", d.n, err)
			return b, false
		}
		if bytes.HasPrefix(line, []byte(footerPrefix)) {
			b.err = d.finish(line)
			return b, false
		}
		r, err := state.DecodeRecord(line)
		if err != nil {
			b.err = fmt.Errorf("record %d: %w", d.n, err)
			return b, false
		}
		d.lines.sum.Write(line)
		b.records = append(b.records, r)
		d.n, size = d.n+1, size+len(line)
	}
	return b, true
}

func (d *decoder) finish(footer []byte) error {
	if err := checkFooter(footer, d.n, d.lines.sum.Sum(nil)); err != nil {
		return err
	}
	return d.lines.end()
}
