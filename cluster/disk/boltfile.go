package disk

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"slices"
)

// This file reads raft.db the way bbolt lays it out (go.etcd.io/bbolt internal/common: page.go, meta.go, inode.go),
// without bbolt. bbolt trusts its file: a flipped bit makes it panic, in goroutines that nobody can recover, or
// fall back to the transaction before without a word, or lose whole subtrees. So the structure is checked first,
// strictly: both meta pages are sound, every page is where it should be, used once, packed as bbolt packs it, and in
// key order. What the values say is checked afterwards, through raft-boltdb.

// The layout, in bytes. Numbers are in the machine's byte order.
const (
	pageHeader    = 16 // id 8, flags 2, count 2, overflow 4
	elementSize   = 16 // leaf: flags 4, pos 4, key size 4, value size 4; branch: pos 4, key size 4, page id 8
	bucketHeader  = 16 // root page id 8, sequence 8
	metaSize      = 64 // magic 4, version 4, page size 4, flags 4, root 16, free list 8, high water 8, txid 8, checksum 8
	boltMagic     = 0xED0CDAED
	boltVersion   = 2
	flagBranch    = 0x01
	flagLeaf      = 0x02
	flagMeta      = 0x04
	flagBucket    = 0x01
	noFreelist    = 0xffffffffffffffff
	depthMost     = 32
	pageSizeLeast = 512
	pageSizeMost  = 1 << 16
)

var native = binary.NativeEndian

// boltMeta is a meta page: which transaction it belongs to and where its root is.
type boltMeta struct {
	pageSize         uint32
	root, high, txid uint64
}

// boltFile walks one raft.db.
type boltFile struct {
	src  io.ReaderAt
	size int64
	meta boltMeta
	seen []bool // page ids that were used
}

// boltVisitor is called for each key of a bucket, in key order. The slices are valid during the call.
type boltVisitor func(bucket, key, value []byte) error

// boltBuckets are the buckets that raft-boltdb makes, in order. An empty one must be there too: without it, a lost
// vote would look like one never cast.
var boltBuckets = []string{"conf", "logs"}

// checkBolt checks the structure of a raft.db of the given size and shows its content.
func checkBolt(src io.ReaderAt, size int64, visit boltVisitor) error {
	meta, err := readMetas(src)
	if err != nil {
		return err
	}
	f := &boltFile{src: src, size: size, meta: meta}
	if meta.high > uint64(size)/uint64(meta.pageSize) {
		return fmt.Errorf("the file has %d bytes, but its pages need %d: it was cut short", size, meta.high*uint64(meta.pageSize))
	}
	f.seen = make([]bool, meta.high)
	f.seen[0], f.seen[1] = true, true
	var found []string
	err = f.page(meta.root, bounds{}, 0, func(flags uint32, key, value []byte) error {
		if flags != flagBucket {
			return fmt.Errorf("root: %q is not a bucket", key)
		}
		found = append(found, string(key))
		return f.bucket(bytes.Clone(key), value, visit)
	})
	if err == nil && !slices.Equal(found, boltBuckets) {
		err = fmt.Errorf("has buckets %q, not %q", found, boltBuckets)
	}
	return err
}

// readMetas reads both meta pages and picks the newer. bbolt itself is content with one, and that is how a flipped
// bit in the newer one would silently undo the last transaction.
func readMetas(src io.ReaderAt) (boltMeta, error) {
	first, err := readMeta(src, 0, 0)
	if err != nil {
		return first, fmt.Errorf("meta page 0: %w", err)
	}
	second, err := readMeta(src, int64(first.pageSize), 1)
	if err != nil {
		return first, fmt.Errorf("meta page 1: %w", err)
	}
	if first.pageSize != second.pageSize {
		return first, errors.New("meta pages differ in page size")
	}
	if second.txid > first.txid {
		return second, nil
	}
	return first, nil
}

// readMeta reads and checks one meta page.
func readMeta(src io.ReaderAt, at int64, id uint64) (m boltMeta, err error) {
	var b [pageHeader + metaSize]byte
	if _, err := src.ReadAt(b[:], at); err != nil {
		return m, fmt.Errorf("read: %w", err)
	}
	if native.Uint64(b[:]) != id || native.Uint16(b[8:]) != flagMeta {
		return m, errors.New("not a meta page")
	}
	body := b[pageHeader:]
	switch {
	case native.Uint32(body) != boltMagic:
		return m, errors.New("not a bbolt file")
	case native.Uint32(body[4:]) != boltVersion:
		return m, fmt.Errorf("bbolt version %d is unknown", native.Uint32(body[4:]))
	case native.Uint64(body[metaSize-8:]) != metaSum(body):
		return m, errors.New("checksum does not match")
	}
	m = boltMeta{pageSize: native.Uint32(body[8:]), root: native.Uint64(body[16:]), high: native.Uint64(body[40:]), txid: native.Uint64(body[48:])}
	if m.pageSize < pageSizeLeast || m.pageSize > pageSizeMost || m.high < 3 {
		return m, errors.New("page size or high water mark is out of range")
	}
	return m, nil
}

// metaSum is the checksum of a meta page's body.
func metaSum(body []byte) uint64 {
	sum := fnv.New64a()
	sum.Write(body[:metaSize-8])
	return sum.Sum64()
}

// bucket walks a bucket, whose value is a header and, if it is small, the page itself.
func (f *boltFile) bucket(name, value []byte, visit boltVisitor) error {
	if len(value) < bucketHeader {
		return fmt.Errorf("bucket %q: header is cut short", name)
	}
	root := native.Uint64(value)
	if native.Uint64(value[8:]) != 0 {
		return fmt.Errorf("bucket %q: unexpected sequence", name)
	}
	leaf := func(flags uint32, key, value []byte) error {
		if flags != 0 {
			return fmt.Errorf("bucket %q: key %x has unknown flags", name, key)
		}
		return visit(name, key, value)
	}
	if root != 0 {
		if len(value) != bucketHeader {
			return fmt.Errorf("bucket %q: bytes after the header", name)
		}
		return f.page(root, bounds{}, 0, leaf)
	}
	inline := value[bucketHeader:]
	if len(inline) < pageHeader || native.Uint64(inline) != 0 || native.Uint32(inline[12:]) != 0 || native.Uint16(inline[8:]) != flagLeaf {
		return fmt.Errorf("bucket %q: inline page is damaged", name)
	}
	used, err := f.leaf(inline, bounds{}, leaf)
	if err == nil && used != len(inline) {
		err = fmt.Errorf("%d of %d bytes used", used, len(inline))
	}
	if err != nil {
		return fmt.Errorf("bucket %q: inline page: %w", name, err)
	}
	return nil
}

// page walks the subtree of one page, whose keys must lie within the bounds.
func (f *boltFile) page(id uint64, within bounds, depth int, leaf func(flags uint32, key, value []byte) error) error {
	data, err := f.load(id)
	if err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	if depth > depthMost {
		return fmt.Errorf("page %d: tree is too deep", id)
	}
	var used int
	switch native.Uint16(data[8:]) {
	case flagLeaf:
		used, err = f.leaf(data, within, leaf)
	case flagBranch:
		used, err = f.branch(data, within, depth, leaf)
	default:
		err = errors.New("neither branch nor leaf")
	}
	if err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	size := int(f.meta.pageSize)
	if pages := max(1, (used+size-1)/size); pages*size != len(data) {
		return fmt.Errorf("page %d: spans %d bytes for %d", id, len(data), used)
	}
	return nil
}

// load reads a page with its overflow and marks it used.
func (f *boltFile) load(id uint64) ([]byte, error) {
	if id < 2 || id >= f.meta.high {
		return nil, errors.New("out of range")
	}
	size := int64(f.meta.pageSize)
	var header [pageHeader]byte
	if _, err := f.src.ReadAt(header[:], int64(id)*size); err != nil {
		return nil, err
	}
	if native.Uint64(header[:]) != id {
		return nil, fmt.Errorf("says it is page %d", native.Uint64(header[:]))
	}
	span := uint64(native.Uint32(header[12:])) + 1
	if span > f.meta.high-id {
		return nil, errors.New("overflow is out of range")
	}
	for i := id; i < id+span; i++ {
		if f.seen[i] {
			return nil, errors.New("is used twice")
		}
		f.seen[i] = true
	}
	data := make([]byte, int64(span)*size)
	_, err := f.src.ReadAt(data, int64(id)*size)
	return data, err
}

// bounds are the keys between which a page's keys must lie: from from (inclusive) to below (exclusive); nil is open.
type bounds struct{ from, below []byte }

// admits checks a key against the bounds and the key before it.
func (b bounds) admits(key, before []byte) error {
	switch {
	case len(key) == 0:
		return errors.New("empty key")
	case b.from != nil && bytes.Compare(key, b.from) < 0, b.below != nil && bytes.Compare(key, b.below) >= 0:
		return fmt.Errorf("key %x is on the wrong page", key)
	case before != nil && bytes.Compare(key, before) <= 0:
		return fmt.Errorf("key %x is out of order", key)
	}
	return nil
}

// leaf shows the elements of a leaf page and returns how many bytes it uses.
func (f *boltFile) leaf(data []byte, within bounds, show func(flags uint32, key, value []byte) error) (int, error) {
	p, err := newPacked(data)
	if err != nil {
		return 0, err
	}
	var before []byte
	for i := range p.count {
		e := p.element(i)
		b, err := p.take(i, native.Uint32(e[4:]), native.Uint32(e[8:]), native.Uint32(e[12:]))
		if err != nil {
			return 0, err
		}
		keySize := native.Uint32(e[8:])
		key, value := b[:keySize], b[keySize:]
		if err := within.admits(key, before); err != nil {
			return 0, err
		}
		if err := show(native.Uint32(e), key, value); err != nil {
			return 0, err
		}
		before = key
	}
	return p.next, nil
}

// branch walks the children of a branch page and returns how many bytes it uses.
func (f *boltFile) branch(data []byte, within bounds, depth int, leaf func(flags uint32, key, value []byte) error) (int, error) {
	p, err := newPacked(data)
	if err != nil {
		return 0, err
	}
	if p.count == 0 {
		return 0, errors.New("branch without children")
	}
	keys, children := make([][]byte, p.count), make([]uint64, p.count)
	var before []byte
	for i := range p.count {
		e := p.element(i)
		if keys[i], err = p.take(i, native.Uint32(e), native.Uint32(e[4:]), 0); err != nil {
			return 0, err
		}
		if err := within.admits(keys[i], before); err != nil {
			return 0, err
		}
		before, children[i] = keys[i], native.Uint64(e[8:])
	}
	for i, child := range children {
		next := bounds{from: keys[i], below: within.below}
		if i+1 < len(keys) {
			next.below = keys[i+1]
		}
		if err := f.page(child, next, depth+1, leaf); err != nil {
			return 0, err
		}
	}
	return p.next, nil
}

// packed reads the elements of a page, which bbolt writes as a table of elements followed by their keys and values
// without holes. Holding it to that notices a flipped count, position or size.
type packed struct {
	data  []byte
	count int
	next  int // where the next key must begin
}

func newPacked(data []byte) (*packed, error) {
	count := int(native.Uint16(data[10:]))
	next := pageHeader + count*elementSize
	if next > len(data) {
		return nil, errors.New("more elements than fit")
	}
	return &packed{data: data, count: count, next: next}, nil
}

// element is one row of the table.
func (p *packed) element(i int) []byte {
	return p.data[pageHeader+i*elementSize:][:elementSize]
}

// take returns key and value of element i, which begin pos bytes after the element itself.
func (p *packed) take(i int, pos, keySize, valueSize uint32) ([]byte, error) {
	start := uint64(pageHeader+i*elementSize) + uint64(pos)
	if start != uint64(p.next) {
		return nil, fmt.Errorf("element %d is misplaced", i)
	}
	end := start + uint64(keySize) + uint64(valueSize)
	if end > uint64(len(p.data)) {
		return nil, fmt.Errorf("element %d runs over the page", i)
	}
	p.next = int(end)
	return p.data[start:end], nil
}
