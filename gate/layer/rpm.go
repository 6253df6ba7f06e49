package layer

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// countRPM counts the packages of an RPM database of size bytes. Like Trivy it
// goes by the content and not by the file's name.
func countRPM(r io.Reader, size int64) (int, error) {
	b := bufio.NewReaderSize(&marked{r}, 64<<10)
	head, err := b.Peek(int(min(size, 64)))
	if err != nil {
		return 0, err
	}
	switch {
	case bytes.HasPrefix(head, []byte("SQLite format 3\x00")):
		return countSQLite(b, size)
	case bytes.HasPrefix(head, []byte("RpmP")):
		return countNDB(b, size)
	case len(head) >= 40:
		return countBerkeley(b, size)
	}
	return 0, errors.New("it is no RPM database")
}

// countLines counts the packages of a manifest with one package a line.
func countLines(r io.Reader) (int, error) {
	s := bufio.NewScanner(&marked{r})
	n := 0
	for s.Scan() {
		if fields := bytes.Count(s.Bytes(), []byte("\t")); fields != 9 {
			return n, fmt.Errorf("line %d has %d fields, not 10", n+1, fields+1)
		}
		n++
	}
	return n, s.Err()
}

// marked tells errors of the source from those of the content.
type marked struct{ r io.Reader }

// Read implements io.Reader.
func (m *marked) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	if err != nil && err != io.EOF {
		err = &sourceError{err}
	}
	return n, err
}

const (
	bdbMagic      = 0x00061561
	bdbHeader     = 26
	bdbHash       = 13
	bdbHashOld    = 2 // unsorted, before 4.6: CentOS 5
	bdbOffPage    = 3 // a value on overflow pages; every RPM header is one
	bdbOffPageLen = 12
	bdbMetaHash   = 8
)

// countBerkeley counts the values of a Berkeley DB hash (Packages).
func countBerkeley(r *bufio.Reader, size int64) (int, error) {
	meta, err := r.Peek(72)
	if err != nil {
		return 0, errors.New("it ends within its first page")
	}
	order, err := bdbOrder(meta)
	if err != nil {
		return 0, err
	}
	pageSize, last := int64(order.Uint32(meta[20:])), int64(order.Uint32(meta[32:]))
	if pageSize < 512 || pageSize > 64<<10 || pageSize&(pageSize-1) != 0 {
		return 0, fmt.Errorf("it has the page size %d", pageSize)
	}
	if (last+1)*pageSize > size {
		return 0, fmt.Errorf("it is cut off: %d pages of %d bytes do not fit into %d bytes", last+1, pageSize, size)
	}
	page := make([]byte, pageSize)
	count := 0
	for n := int64(0); n <= last; n++ {
		if _, err := io.ReadFull(r, page); err != nil {
			return count, fmt.Errorf("page %d: %w", n, err)
		}
		if kind := page[25]; kind != bdbHash && kind != bdbHashOld {
			continue
		}
		found, err := countHashPage(page, order)
		if count += found; err != nil {
			return count, fmt.Errorf("page %d: %w", n, err)
		}
	}
	return count, nil
}

func bdbOrder(meta []byte) (binary.ByteOrder, error) {
	var order binary.ByteOrder = binary.LittleEndian
	if binary.BigEndian.Uint32(meta[12:]) == bdbMagic {
		order = binary.BigEndian
	}
	switch {
	case order.Uint32(meta[12:]) != bdbMagic:
		return nil, errors.New("it is no RPM database")
	case meta[24] != 0:
		return nil, errors.New("it is encrypted")
	case meta[25] != bdbMetaHash:
		return nil, fmt.Errorf("its first page has the type %d", meta[25])
	}
	return order, nil
}

// countHashPage counts the values that are on overflow pages. Items alternate:
// key, value, key, value.
func countHashPage(page []byte, order binary.ByteOrder) (int, error) {
	items := int(order.Uint16(page[20:]))
	if items%2 != 0 || bdbHeader+2*items > len(page) {
		return 0, fmt.Errorf("it has %d items", items)
	}
	count := 0
	for i := 1; i < items; i += 2 {
		at := int(order.Uint16(page[bdbHeader+2*i:]))
		if at < bdbHeader || at >= len(page) {
			return count, fmt.Errorf("item %d is outside of the page", i)
		}
		if page[at] != bdbOffPage {
			continue // the counter that RPM keeps under key 0
		}
		if at+bdbOffPageLen > len(page) {
			return count, fmt.Errorf("item %d is cut off", i)
		}
		count++
	}
	return count, nil
}

const (
	ndbPage     = 4096
	ndbSlot     = 16
	ndbMaxPages = 2048 // go-rpmdb refuses more
)

// countNDB counts the used slots of RPM's own format (Packages.db, SUSE).
func countNDB(r *bufio.Reader, size int64) (int, error) {
	slot := make([]byte, ndbSlot)
	if _, err := io.ReadFull(r, slot); err != nil {
		return 0, err
	}
	version, pages := binary.LittleEndian.Uint32(slot[4:]), int64(binary.LittleEndian.Uint32(slot[12:]))
	if version != 0 || pages == 0 || pages > ndbMaxPages {
		return 0, fmt.Errorf("it has version %d and %d slot pages", version, pages)
	}
	if pages*ndbPage > size {
		return 0, fmt.Errorf("it is cut off: %d slot pages do not fit into %d bytes", pages, size)
	}
	if _, err := r.Discard(ndbSlot); err != nil { // the header takes two slots
		return 0, err
	}
	count := 0
	for n := int64(2); n < pages*ndbPage/ndbSlot; n++ {
		if _, err := io.ReadFull(r, slot); err != nil {
			return count, err
		}
		if string(slot[:4]) != "Slot" {
			return count, fmt.Errorf("slot %d is damaged", n)
		}
		if binary.LittleEndian.Uint32(slot[4:]) == 0 {
			continue
		}
		count++
		block, blocks := int64(binary.LittleEndian.Uint32(slot[8:])), int64(binary.LittleEndian.Uint32(slot[12:]))
		if (block+blocks)*16 > size || blocks == 0 {
			return count, fmt.Errorf("it is cut off: package %d is behind its end", count)
		}
	}
	return count, nil
}
