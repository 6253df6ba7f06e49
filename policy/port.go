package policy

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// portRange is one port or several, of one protocol or any.
type portRange struct {
	from, to int
	protocol string // "" any
}

var portForm = regexp.MustCompile(`^([0-9]{1,5})(-([0-9]{1,5}))?(/(tcp|udp|sctp))?$`)

// parsePort reads "22", "22/tcp" or "8000-8100/udp". Images spell ports as
// they like, 0022 among others; the number counts.
func parsePort(s string) (portRange, bool) {
	m := portForm.FindStringSubmatch(strings.ToLower(strings.TrimSpace(s)))
	if m == nil {
		return portRange{}, false
	}
	p := portRange{protocol: m[5]}
	p.from, _ = strconv.Atoi(m[1])
	p.to = p.from
	if m[3] != "" {
		p.to, _ = strconv.Atoi(m[3])
	}
	return p, p.from >= 1 && p.to >= p.from && p.to <= 65535
}

func (p portRange) overlaps(q portRange) bool {
	return p.from <= q.to && q.from <= p.to && (p.protocol == "" || q.protocol == "" || p.protocol == q.protocol)
}

// covers reports whether p contains all of q.
func (p portRange) covers(q portRange) bool {
	return p.from <= q.from && q.to <= p.to && (p.protocol == "" || p.protocol == q.protocol)
}

// String returns the range the way a policy spells it.
func (p portRange) String() string {
	s := strconv.Itoa(p.from)
	if p.to != p.from {
		s = fmt.Sprintf("%d-%d", p.from, p.to)
	}
	if p.protocol != "" {
		s += "/" + p.protocol
	}
	return s
}

// ports reads a list of ports: numbers, or texts with a range or protocol.
func (d *decoder) ports(n *yaml.Node, name string) ([]portRange, bool) {
	return list(d, n, name, true, func(c *yaml.Node, item string) (portRange, bool) {
		if d.bad[c] {
			return portRange{}, false
		}
		p, ok := parsePort(c.Value)
		if c.Kind != yaml.ScalarNode || !ok || isNull(c) {
			d.fail(c, "write a port from 1 to 65535, a range such as 8000-8100, or 53/udp", "%s is %s", item, describe(c))
			return portRange{}, false
		}
		return p, true
	})
}
