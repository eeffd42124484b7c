package rig

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browserLimit is how long one step of a browser may take. It is generous: the machine may be busy.
const browserLimit = 30 * time.Second

// Browser is a Chromium without a window. It ends with the process that started it.
type Browser struct {
	ctx   context.Context
	close func()
}

// StartBrowser starts Chromium with its profile in dir, which must exist and belong to it alone. It believes every certificate.
func StartBrowser(dir string) (*Browser, error) {
	binary, err := installed("chromium")
	if err != nil {
		return nil, err
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(binary), chromedp.UserDataDir(filepath.Join(dir, "profile")),
		chromedp.NoSandbox, // tests may run as root, and load nothing but their own pages
		chromedp.DisableGPU,
		chromedp.Flag("ignore-certificate-errors", true),
		chromedp.Flag("no-proxy-server", true),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost"),
		chromedp.Flag("lang", "en-US"),
		chromedp.Env("HOME="+dir))
	allocator, end := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	b := &Browser{ctx: ctx, close: func() { cancel(); end() }}
	if err := within(ctx, browserLimit, func() error { return chromedp.Do(ctx) }); err != nil {
		b.Close()
		return nil, fmt.Errorf("start %s: %w", binary, err)
	}
	return b, nil
}

// Close ends the browser and waits for it.
func (b *Browser) Close() { b.close() }

// within gives up waiting after a limit. The first step of a context lives as long as that, so it must not carry the limit itself.
func within(ctx context.Context, limit time.Duration, step func() error) error {
	done := make(chan error, 1)
	go func() { done <- step() }()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return fmt.Errorf("not done after %v", limit)
	}
}

// TabOptions describe a tab and the device that it is on. The zero value is a desktop.
type TabOptions struct {
	Width, Height int64   // of the viewport in CSS pixels; 1280 × 800 when 0
	Zoom          float64 // of text and all; 1 when 0
	Dark          bool    // the person prefers dark pages
	NoScript      bool    // the person has switched JavaScript off
}

// Tab is a page of a browser, with cookies of its own. A tab is for one goroutine.
type Tab struct {
	ctx   context.Context
	Close func()

	mu    sync.Mutex // guards wrong
	wrong []string
}

// Open opens an empty tab.
func (b *Browser) Open(o TabOptions) (*Tab, error) {
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	t := &Tab{ctx: ctx, Close: cancel}
	err := within(ctx, browserLimit, func() error { return chromedp.Listen(ctx, t.hear) })
	if err == nil {
		err = t.Do(o.steps()...)
	}
	if err != nil {
		cancel()
		return nil, fmt.Errorf("open a tab: %w", err)
	}
	return t, nil
}

func (o TabOptions) steps() []chromedp.Action[chromedp.Void] {
	if o.Width == 0 {
		o.Width, o.Height = 1280, 800
	}
	if o.Zoom == 0 {
		o.Zoom = 1
	}
	scheme := "light"
	if o.Dark {
		scheme = "dark"
	}
	// Zooming makes the viewport smaller in CSS pixels and each of them larger.
	width, height := int64(float64(o.Width)/o.Zoom), int64(float64(o.Height)/o.Zoom)
	return []chromedp.Action[chromedp.Void]{
		chromedp.EmulateViewport(width, height, chromedp.EmulateScale(o.Zoom)),
		chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
			media := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
			if _, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, media); err != nil {
				return err
			}
			_, err := cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: o.NoScript})
			return err
		}),
	}
}

// hear notes what the browser complains about.
func (t *Tab) hear(event any) {
	var text string
	switch e := event.(type) {
	case *log.EventEntryAdded:
		if e.Entry.Level != log.EntryLevelError && e.Entry.Level != log.EntryLevelWarning || strings.HasPrefix(e.Entry.Text, "Failed to load resource: the server responded with a status of") {
			return // a status is for the test to judge
		}
		text = fmt.Sprintf("%s: %s (%s)", e.Entry.Source, e.Entry.Text, e.Entry.URL)
	case *runtime.EventExceptionThrown:
		text = "exception: " + e.ExceptionDetails.Text
	case *runtime.EventConsoleAPICalled:
		text = fmt.Sprintf("console.%s", e.Type)
	default:
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.wrong = append(t.wrong, text)
}

// Complaints are what the browser has complained about: violations of a Content-Security-Policy, errors of scripts, and whatever
// pages wrote to the console.
func (t *Tab) Complaints() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string(nil), t.wrong...)
}

// Do runs steps, within browserLimit.
func (t *Tab) Do(steps ...chromedp.Action[chromedp.Void]) error {
	ctx, cancel := context.WithTimeout(t.ctx, browserLimit)
	defer cancel()
	return chromedp.Do(ctx, steps...)
}

// Go loads a URL, follows where it leads, and answers the status of the page at the end.
func (t *Tab) Go(url string) (int64, error) { return t.load(chromedp.Func(navigate(url))) }

func navigate(url string) func(context.Context, *chromedp.Target) error {
	return func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, page.Navigate, page.NavigateParams{URL: url})
		return err
	}
}

// Press types keys into whatever has the focus, and answers the status of the page that they lead to.
func (t *Tab) Press(keys string) (int64, error) { return t.load(chromedp.KeyEvent(keys)) }

// Click clicks on what the CSS selector finds first, and answers the status of the page that it leads to.
func (t *Tab) Click(selector string) (int64, error) {
	return t.load(chromedp.Click(chromedp.CSS(selector)))
}

func (t *Tab) load(step chromedp.Action[chromedp.Void]) (int64, error) {
	ctx, cancel := context.WithTimeout(t.ctx, browserLimit)
	defer cancel()
	answer, err := chromedp.RunResponse(ctx, step)
	if err != nil || answer == nil {
		return 0, fmt.Errorf("load a page: %w", err)
	}
	return answer.Status, nil
}

// Type types keys into whatever has the focus.
func (t *Tab) Type(keys string) error { return t.Do(chromedp.KeyEvent(keys)) }

// Ask evaluates an expression in the page and decodes its value.
func Ask[T any](t *Tab, expression string) (T, error) {
	ctx, cancel := context.WithTimeout(t.ctx, browserLimit)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](expression))
}

// Picture keeps a picture of the whole page as a PNG file.
func (t *Tab) Picture(file string) error {
	ctx, cancel := context.WithTimeout(t.ctx, browserLimit)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		return fmt.Errorf("take a picture: %w", err)
	}
	return os.WriteFile(file, png, 0o644)
}

// Control is a part of a page as a screen reader has it.
type Control struct{ Role, Name, Description string }

// Controls are all parts of the page that a screen reader knows, in their order.
func (t *Tab) Controls() ([]Control, error) {
	ctx, cancel := context.WithTimeout(t.ctx, browserLimit)
	defer cancel()
	tree, err := chromedp.Call(ctx, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{})
	if err != nil {
		return nil, fmt.Errorf("read the accessibility tree: %w", err)
	}
	var all []Control
	for _, node := range tree.Nodes {
		if !node.Ignored {
			all = append(all, Control{text(node.Role), text(node.Name), text(node.Description)})
		}
	}
	return all, nil
}

func text(v *accessibility.Value) string {
	var plain string
	if v != nil {
		_ = json.Unmarshal(v.Value, &plain) // what is no text has none
	}
	return plain
}
