package fsm

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"io"
	"strings"
	"testing"
)

func TestTheFirstBadRecordIsTheOneThatIsNamed(t *testing.T) {
	lines := decompress(t, persist(t, populated(t, 600)))
	lines = lines[:len(lines)-1]
	with := func(at int, line string) []string {
		changed := append([]string{}, lines...)
		changed[1+at] = line // behind the header
		return changed
	}
	bothBad := with(300, lines[300])
	bothBad[1+301] = "{}x\n"
	for want, snapshot := range map[string][]byte{
		"record 300: out of order or repeated": forge(t, bothBad...),
		"record 400: ":                         forge(t, with(400, `{"user":{"UID":"x"}}`+"\n")...),
		"after 300 records: unexpected EOF":    compress(t, []byte(strings.Join(lines[:301], ""))),
	} {
		if err := restore(newMachine(t), snapshot); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// burning panics where its bytes end.
type burning struct{ r io.Reader }

func (e burning) Read(p []byte) (int, error) {
	n, err := e.r.Read(p)
	if err != nil {
		panic("the disk is gone")
	}
	return n, nil
}

func TestAPanicBehindTheHeaderReachesTheCaller(t *testing.T) {
	line := []byte(decompress(t, persist(t, newMachine(t)))[1])
	lines := lineReaderOf(burning{bytes.NewReader(line)})
	defer func() {
		if p, _ := recover().(string); !strings.Contains(p, "the disk is gone") {
			t.Errorf("recovered %q", p)
		}
	}()
	_, err := readRecords(lines, 1)
	t.Errorf("no panic, but %v", err)
}

func lineReaderOf(r io.Reader) *lineReader {
	return &lineReader{r: bufio.NewReader(r), sum: sha256.New(), limit: maxLine}
}
