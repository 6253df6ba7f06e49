package policy

import (
	"fmt"
	"strings"
	"time"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

const noConfig = "the image config was not read"

func checkPorts(j *judge) answer {
	c := j.img.Config
	if c == nil {
		return missing(noConfig)
	}
	var bad, odd []string
	for _, text := range c.ExposedPorts {
		p, ok := parsePort(text)
		if !ok {
			odd = append(odd, fmt.Sprintf("%q is no port", text))
			continue
		}
		for _, denied := range j.s.denyPorts.value {
			if p.overlaps(denied) {
				bad = append(bad, text)
				break
			}
		}
	}
	a := passing("%s exposed, none of them denied", words.Plural(len(c.ExposedPorts), "port"))
	switch {
	case len(bad) > 0:
		a = failing("exposes %s", words.And(few(bad)))
	case len(odd) > 0:
		a = undecided("exposes what is no port: %s", odd[0])
		a.details, a.cure = odd, "correct EXPOSE in the Dockerfile"
	}
	var denied []string
	for _, d := range j.s.denyPorts.value {
		denied = append(denied, d.String())
	}
	a.allowed = "any port but " + words.And(denied)
	return a
}

func checkLabels(j *judge) answer {
	c := j.img.Config
	if c == nil {
		return missing(noConfig)
	}
	var lacking []string
	for _, l := range j.s.requireLabels.value {
		v, ok := c.Labels[l]
		switch {
		case !ok:
			lacking = append(lacking, l)
		case strings.TrimSpace(v) == "":
			lacking = append(lacking, l+" (empty)")
		}
	}
	if len(lacking) == 0 {
		return passing("%s set", words.Plural(len(j.s.requireLabels.value), "label"))
	}
	a := failing("%s missing: %s", words.Plural(len(lacking), "label"), words.And(few(lacking)))
	a.allowed = "an image with " + words.And(j.s.requireLabels.value)
	return a
}

func checkMaxAge(j *judge) answer {
	c := j.img.Config
	if c == nil {
		return missing(noConfig)
	}
	limit := j.s.maxAge.value
	allowed := "built at most " + words.Duration(limit) + " ago"
	if c.Created == nil || c.Created.IsZero() {
		return answer{message: "the image does not say when it was built", allowed: allowed, cure: "build it with a date: reproducible builds set SOURCE_DATE_EPOCH to the time of the commit"}
	}
	age := j.now.Sub(*c.Created)
	day := c.Created.UTC().Format(time.DateOnly)
	switch {
	case age < -futureToleranceHours*time.Hour:
		return answer{message: "the image says it was built on " + day + ", which is in the future", allowed: allowed, cure: "build it with a right clock"}
	case age > limit:
		return answer{result: ResultFail, message: "built on " + day + ", " + words.Duration(age) + " ago", allowed: allowed}
	}
	return answer{result: ResultPass, message: "built on " + day, allowed: allowed}
}

func checkMaxSize(j *judge) answer {
	c := j.img.Config
	if c == nil {
		return missing(noConfig)
	}
	a := answer{allowed: "at most " + words.Size(j.s.maxSize.value)}
	var sum int64
	for _, l := range c.Layers {
		sum += max(l.Size, 0)
	}
	switch size := max(c.Size, sum); {
	case c.Layers == nil || c.Size < 0:
		m := missing("the sizes of the layers are not known")
		m.allowed = a.allowed
		return m
	case size > j.s.maxSize.value:
		a.result, a.message = ResultFail, fmt.Sprintf("%s in %s", words.Size(size), words.Plural(len(c.Layers), "layer"))
		if words.Size(size) == words.Size(j.s.maxSize.value) {
			a.message += fmt.Sprintf(", %s more than allowed", words.Plural(int(size-j.s.maxSize.value), "byte"))
		}
	default:
		a.result, a.message = ResultPass, fmt.Sprintf("%s in %s", words.Size(size), words.Plural(len(c.Layers), "layer"))
	}
	return a
}

func checkHealthcheck(j *judge) answer {
	switch c := j.img.Config; {
	case c == nil:
		return missing(noConfig)
	case c.Healthcheck:
		return passing("a health check is set")
	}
	a := failing("no health check is set")
	a.allowed = "an image with HEALTHCHECK"
	return a
}

func checkEnv(j *judge) answer {
	c := j.img.Config
	if c == nil {
		return missing(noConfig)
	}
	var bad []string
	for _, name := range c.EnvNames {
		if matchesAny(j.s.denyEnv.value, name, matchFold) {
			bad = append(bad, name)
		}
	}
	a := passing("%s set, none of them denied", words.Plural(len(c.EnvNames), "variable"))
	if len(bad) > 0 {
		a = failing("sets %s", words.And(few(bad)))
	}
	a.allowed = "no variable like " + words.Or(j.s.denyEnv.value)
	return a
}

func checkSecrets(j *judge) answer {
	sc, lack := j.scanned(evidence.NeedSecrets)
	if lack != nil && (j.img.Scan == nil || len(j.img.Scan.Secrets) == 0) {
		return *lack
	}
	if lack != nil {
		sc = j.img.Scan
	}
	counts := map[evidence.Severity]int{}
	var details []string
	total := 0
	for i := range sc.Secrets {
		s := &sc.Secrets[i]
		line := secretLine(*s)
		if e := j.exceptSecret(s); e != nil {
			details = append(details, line+", "+e.until())
			continue
		}
		total++
		counts[normalSeverity(s.Severity)]++
		details = append(details, line)
	}
	a := passing("%s found", words.Plural(total, "secret"))
	if n := len(sc.Secrets) - total; n > 0 {
		a.message += fmt.Sprintf(" beside %d excepted", n)
	}
	if len(sc.Secrets) > 0 {
		a.details = details
	}
	limit := j.s.secrets
	over := limit.total.set && total > limit.total.value
	a.allowed = "at most " + itoa(limit.total.value)
	if !limit.total.set {
		over = len(overLimit(limit.per, counts)) > 0
		a.allowed = limitText(limit.per)
	}
	switch {
	case over:
		a.result = ResultFail
	case lack != nil:
		return *lack
	}
	return a
}

func secretLine(s evidence.Secret) string {
	line := s.Path
	if s.StartLine > 0 {
		line = fmt.Sprintf("%s:%d", line, s.StartLine)
	}
	line = fmt.Sprintf("%s: %s (%s)", line, s.RuleID, normalSeverity(s.Severity))
	if s.Content != "" {
		line += ", content " + s.Content
	}
	return line
}
