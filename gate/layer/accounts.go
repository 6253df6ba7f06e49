package layer

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

const (
	// maxAccounts is the largest passwd or group file that is read.
	maxAccounts = 4 << 20
	// maxAccountLine is where the runtimes' own scanners give up
	// (bufio.MaxScanTokenSize), and with them the start of the container.
	maxAccountLine = 64 << 10
	// maxID is what runc, containerd and Docker accept as uid or gid.
	maxID = math.MaxInt32
)

// account is one line of /etc/passwd or /etc/group.
type account struct {
	line   int
	fields []string
}

// findAccounts returns the lines whose first field is name. The runtimes trim
// white space, so " app:x:0:0" is app too.
func findAccounts(data []byte, name string) ([]account, error) {
	var found []account
	err := eachAccount(data, func(a account) {
		if a.fields[0] == name {
			found = append(found, a)
		}
	})
	return found, err
}

func eachAccount(data []byte, f func(account)) error {
	for n := 1; len(data) > 0; n++ {
		line, rest, _ := bytes.Cut(data, []byte("\n"))
		data = rest
		if len(line) >= maxAccountLine {
			return fmt.Errorf("line %d is longer than runtimes read", n)
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		f(account{n, strings.Split(string(line), ":")})
	}
	return nil
}

var errNoAccount = errors.New("no such entry")

// lookup finds the id of name in the given field. Runtimes take the first of
// several entries and read a number they cannot parse as 0, which is root: both
// are refused here.
func lookup(data []byte, name string, field int) (id int64, a account, err error) {
	found, err := findAccounts(data, name)
	if err != nil {
		return 0, account{}, err
	}
	if len(found) == 0 {
		return 0, account{}, errNoAccount
	}
	for i, f := range found {
		n, err := f.id(field)
		if err != nil {
			return 0, account{}, err
		}
		if i > 0 && n != id {
			return 0, account{}, fmt.Errorf("lines %d and %d both define it, with different ids", found[0].line, f.line)
		}
		id = n
	}
	return id, found[0], nil
}

// id reads a numeric field.
func (a account) id(field int) (int64, error) {
	if len(a.fields) <= field {
		return 0, fmt.Errorf("line %d is malformed: it has no id", a.line)
	}
	n, err := strconv.Atoi(a.fields[field])
	if err != nil {
		return 0, fmt.Errorf("line %d is malformed: the id %s is no number (runtimes read it as 0)", a.line, quote(a.fields[field]))
	}
	if n < 0 || n > maxID {
		return 0, fmt.Errorf("line %d has the id %d, which is out of range (0 to %d)", a.line, n, maxID)
	}
	return int64(n), nil
}

// firstWithID finds the first line with the given uid, for its group.
func firstWithID(data []byte, uid int64) (account, bool) {
	var hit account
	err := eachAccount(data, func(a account) {
		if n, err := a.id(passwdUID); err == nil && n == uid && hit.fields == nil {
			hit = a
		}
	})
	return hit, err == nil && hit.fields != nil
}

// Accounts is /etc/passwd or /etc/group of the merged image.
type Accounts struct {
	Path string
	// Layer is the diffID of the layer it comes from.
	Layer string
	Data  []byte
	// Problem says why Data cannot be trusted to be what a runtime reads; ""
	// when it can.
	Problem string
}

// data returns the content, or why there is none.
func (a *Accounts) data(path string) ([]byte, error) {
	if a == nil {
		return nil, fmt.Errorf("the image has no /%s", path)
	}
	if a.Problem != "" {
		return nil, fmt.Errorf("/%s %s", path, a.Problem)
	}
	return a.Data, nil
}
