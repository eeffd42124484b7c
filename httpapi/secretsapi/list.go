package secretsapi

import (
	"context"
	"io"
	"iter"

	"gatehouse/fsm/secret"
	"gatehouse/fsm/state"
	"gatehouse/httpapi"
)

// list answers with the names below a directory, at any depth and relative to it (contract 6.4). A directory in which there is
// nothing is empty.
func (a *api) list(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	store, dir, err := directoryOf(r)
	if err != nil {
		return nil, err
	}
	if _, err := a.open(ctx, r.State, store); err != nil {
		return nil, err
	}
	if !httpapi.Accepts(r.Header["Accept"], jsonType) {
		return nil, errAccept
	}
	s, now, dirs := r.State, r.Time, visible(r, store, dir)
	return &httpapi.Response{ContentType: jsonType, Stream: func(w io.Writer) error {
		return names(w, dir, func(yield func(string) bool) {
			for one := range within(s, store, dirs) {
				if one.Live(now) && !yield(one.Path) {
					return
				}
			}
		})
	}}, nil
}

// within yields the records below all of the directories.
func within(s *state.State, store string, dirs []string) iter.Seq[*secret.Secret] {
	return func(yield func(*secret.Secret) bool) {
		for _, dir := range dirs {
			for one := range s.Secrets(store, dir) {
				if !yield(one) {
					return
				}
			}
		}
	}
}

// namesHeld is how many bytes of names are handed to the writer at a time.
const namesHeld = 8 << 10

// names writes {"array":[…]} with the paths, relative to the directory.
func names(w io.Writer, dir string, paths iter.Seq[string]) error {
	skip := 0
	if dir != "" {
		skip = len(dir) + 1
	}
	out := append(make([]byte, 0, namesHeld+secret.MaxPath), `{"array":[`...)
	first := true
	for path := range paths {
		if !first {
			out = append(out, ',')
		}
		first = false
		out = appendText(out, path[skip:])
		if len(out) >= namesHeld {
			if _, err := w.Write(out); err != nil {
				return err
			}
			out = out[:0]
		}
	}
	_, err := w.Write(append(out, "]}"...))
	return err
}
