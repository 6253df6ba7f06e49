package layer

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

const (
	sqliteHeader   = 100
	sqliteInterior = 0x05
	sqliteLeaf     = 0x0d

	// sqliteSchema is how many bytes of the start are kept. RPM creates all tables at
	// once, so the schema is in these bytes. A schema elsewhere is refused.
	sqliteSchema = 4 << 20
)

// sqliteFile is the shape of a database: which page is what, and no content.
// The databases of large images have hundreds of megabytes.
type sqliteFile struct {
	pageSize int
	raw      []byte              // the first pages
	leaves   map[uint32]int      // table leaf -> rows
	children map[uint32][]uint32 // table interior -> pages
	pages    uint32
	visited  map[uint32]bool
}

// countSQLite counts the rows of the table Packages (rpmdb.sqlite) by walking
// its b-tree.
func countSQLite(r *bufio.Reader, size int64) (int, error) {
	f, err := readSQLite(r, size)
	if err != nil {
		return 0, err
	}
	root, err := f.packages()
	if err != nil {
		return 0, err
	}
	f.visited = make(map[uint32]bool)
	return f.rows(root)
}

func readSQLite(r *bufio.Reader, size int64) (*sqliteFile, error) {
	head, err := r.Peek(sqliteHeader)
	if err != nil {
		return nil, errors.New("it ends within its header")
	}
	pageSize := int(binary.BigEndian.Uint16(head[16:]))
	if pageSize == 1 {
		pageSize = 64 << 10
	}
	switch {
	case pageSize < 512 || pageSize&(pageSize-1) != 0:
		return nil, fmt.Errorf("it has the page size %d", pageSize)
	case head[20] > 32:
		return nil, fmt.Errorf("it reserves %d bytes of each page", head[20])
	case binary.BigEndian.Uint32(head[56:]) != 1:
		return nil, errors.New("its text is not UTF-8")
	case size%int64(pageSize) != 0 || size/int64(pageSize) > 1<<31:
		return nil, fmt.Errorf("it is cut off: %d bytes are no whole number of pages of %d bytes", size, pageSize)
	}
	f := &sqliteFile{
		pageSize: pageSize, pages: uint32(size / int64(pageSize)),
		leaves: make(map[uint32]int), children: make(map[uint32][]uint32),
	}
	// The number of pages in the header holds if both change counters agree.
	if said := binary.BigEndian.Uint32(head[28:]); said > f.pages && string(head[24:28]) == string(head[92:96]) {
		return nil, fmt.Errorf("it is cut off: %d of %d pages are there", f.pages, said)
	}
	return f, f.scan(r)
}

// scan notes the shape of every page.
func (f *sqliteFile) scan(r io.Reader) error {
	page, refs := make([]byte, f.pageSize), 0
	for n := uint32(1); n <= f.pages; n++ {
		if _, err := io.ReadFull(r, page); err != nil {
			return fmt.Errorf("page %d: %w", n, err)
		}
		if len(f.raw)+len(page) <= sqliteSchema {
			f.raw = append(f.raw, page...)
		}
		head := pageHeader(page, n)
		cells := int(binary.BigEndian.Uint16(head[3:]))
		switch head[0] {
		case sqliteLeaf:
			f.leaves[n] = cells
		case sqliteInterior:
			if kids, ok := interiorPages(page, head, cells); ok {
				f.children[n] = kids
				refs += len(kids)
			}
			if refs > 2*int(f.pages) {
				return errors.New("its pages refer to more pages than there are")
			}
		}
	}
	return nil
}

// pageHeader is the page from its b-tree header on.
func pageHeader(page []byte, n uint32) []byte {
	if n == 1 {
		return page[sqliteHeader:]
	}
	return page
}

// interiorPages reads the children of what looks like an interior page. Pages
// of other kinds may look so by chance, hence no error.
func interiorPages(page, head []byte, cells int) ([]uint32, bool) {
	if 12+2*cells > len(head) {
		return nil, false
	}
	kids := make([]uint32, 0, cells+1)
	for i := range cells {
		at := int(binary.BigEndian.Uint16(head[12+2*i:]))
		if at+4 > len(page) {
			return nil, false
		}
		kids = append(kids, binary.BigEndian.Uint32(page[at:]))
	}
	return append(kids, binary.BigEndian.Uint32(head[8:])), true
}

// rows counts the rows below a page. Each page may be part of the tree once.
func (f *sqliteFile) rows(n uint32) (int, error) {
	total := 0
	for todo := []uint32{n}; len(todo) > 0; {
		n, todo = todo[len(todo)-1], todo[:len(todo)-1]
		if f.visited[n] {
			return total, fmt.Errorf("page %d is part of the table twice", n)
		}
		f.visited[n] = true
		if rows, ok := f.leaves[n]; ok {
			total += rows
			continue
		}
		kids, ok := f.children[n]
		if !ok {
			return total, fmt.Errorf("page %d of the table Packages is damaged or missing", n)
		}
		todo = append(todo, kids...)
	}
	return total, nil
}

// packages finds the root page of the table Packages in the schema.
func (f *sqliteFile) packages() (uint32, error) {
	f.visited = make(map[uint32]bool)
	root, found := uint32(0), 0
	for todo := []uint32{1}; len(todo) > 0; {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if f.visited[n] {
			return 0, errors.New("its schema is a loop")
		}
		f.visited[n] = true
		if kids, ok := f.children[n]; ok {
			todo = append(todo, kids...)
			continue
		}
		if int64(n)*int64(f.pageSize) > int64(len(f.raw)) || n == 0 {
			return 0, errors.New("its schema is damaged")
		}
		page := f.raw[int(n-1)*f.pageSize : int(n)*f.pageSize]
		if pageHeader(page, n)[0] != sqliteLeaf {
			return 0, errors.New("its schema is damaged")
		}
		for _, row := range schemaRows(page, n) {
			if strings.EqualFold(row.name, "Packages") && (row.kind == "table" || row.kind == "view") {
				root, found = row.root, found+1
			}
		}
	}
	if found != 1 || root == 0 {
		return 0, errors.New("it has no table Packages")
	}
	return root, nil
}

// schemaRow is a row of sqlite_schema.
type schemaRow struct {
	kind, name string
	root       uint32
}

func schemaRows(page []byte, n uint32) []schemaRow {
	head := pageHeader(page, n)
	cells := int(binary.BigEndian.Uint16(head[3:]))
	var rows []schemaRow
	for i := 0; i < cells && 8+2*i+2 <= len(head); i++ {
		at := int(binary.BigEndian.Uint16(head[8+2*i:]))
		if at >= len(page) {
			continue
		}
		if row, ok := parseSchemaCell(page[at:]); ok {
			rows = append(rows, row)
		}
	}
	return rows
}

// parseSchemaCell reads type, name and rootpage, which are always at the start of
// the record: only the SQL text continues on overflow pages.
func parseSchemaCell(cell []byte) (schemaRow, bool) {
	var row schemaRow
	for range 2 { // payload size, row id
		_, n := sqliteVarint(cell)
		if n == 0 {
			return row, false
		}
		cell = cell[n:]
	}
	size, n := sqliteVarint(cell)
	if n == 0 || size < uint64(n) || size > uint64(len(cell)) {
		return row, false
	}
	types, values := cell[n:size], cell[size:]
	for column := range 4 {
		kind, n := sqliteVarint(types)
		if n == 0 {
			return row, false
		}
		types = types[n:]
		width, ok := sqliteWidth(kind)
		if !ok || width > uint64(len(values)) {
			return row, false
		}
		value := values[:width]
		values = values[width:]
		row.set(column, value)
	}
	return row, true
}

// set takes one column: type, name, tbl_name, rootpage.
func (r *schemaRow) set(column int, value []byte) {
	switch column {
	case 0:
		r.kind = string(value)
	case 1:
		r.name = string(value)
	case 3:
		for _, b := range value {
			r.root = r.root<<8 | uint32(b)
		}
	}
}

// sqliteWidth is the number of bytes of a value of the given serial type.
func sqliteWidth(kind uint64) (uint64, bool) {
	switch {
	case kind <= 4:
		return kind, true
	case kind == 5:
		return 6, true
	case kind <= 7:
		return 8, true
	case kind <= 9:
		return 0, true
	case kind >= 12:
		return (kind - 12) / 2, true
	}
	return 0, false
}

// sqliteVarint reads SQLite's big-endian variable-length integer.
func sqliteVarint(b []byte) (uint64, int) {
	var v uint64
	for i := 0; i < len(b) && i < 9; i++ {
		if i == 8 {
			return v<<8 | uint64(b[i]), 9
		}
		v = v<<7 | uint64(b[i]&0x7f)
		if b[i] < 0x80 {
			return v, i + 1
		}
	}
	return 0, 0
}
