package policy

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/imagegate/imagegate/policy/evidence"
	"github.com/imagegate/imagegate/policy/words"
)

const unknownLicense = "unknown"

func checkLicenses(j *judge) answer {
	sc, lack := j.scanned(evidence.NeedLicenses | evidence.NeedPackages)
	if j.img.Scan != nil {
		sc = j.img.Scan
	}
	if sc == nil {
		return *lack
	}
	bad := j.badLicenses(sc)
	if len(bad) == 0 {
		if lack != nil {
			return *lack
		}
		return passing("%s, none of them denied", words.Plural(len(sc.Licenses), "licence"))
	}
	a := failing("%s that may not ship", words.Plural(len(bad), "licence"))
	a.details = bad
	var allowed []string
	if licenseDenyKey.of(j.s).set {
		allowed = append(allowed, "none of "+words.And(licenseDenyKey.value(j.s)))
	}
	if licenseAllowKey.of(j.s).set {
		allowed = append(allowed, "only "+words.Or(licenseAllowKey.value(j.s)))
	}
	a.allowed = strings.Join(allowed, "; ")
	if licenseLevelKey.value(j.s) == levelWarn {
		a.result = ResultWarn
	}
	return a
}

// badLicenses lists the licences that may not ship. When the policy has allow,
// it also lists the packages whose licence is not known.
func (j *judge) badLicenses(sc *evidence.Scan) []string {
	var bad []string
	licensed := map[string]bool{}
	for _, l := range sc.Licenses {
		licensed[l.Package] = true
		if j.judgesLicenseOf(l.Type) && !j.licenseFine(l.Name) && j.exceptLicense(sc, l) == nil {
			bad = append(bad, strings.TrimSpace(fmt.Sprintf("%s in %s", cmp.Or(l.Name, unknownLicense), cmp.Or(l.Package, l.Path))))
		}
	}
	if licenseAllowKey.of(j.s).set && !j.licenseFine(unknownLicense) {
		for _, p := range sc.Packages {
			if !licensed[p.Name] && j.judgesLicenseOf(p.Type) {
				licensed[p.Name] = true
				if j.exceptLicense(sc, evidence.License{Package: p.Name, Type: p.Type}) != nil {
					continue
				}
				bad = append(bad, unknownLicense+" in "+p.Name)
			}
		}
	}
	slices.Sort(bad)
	return slices.Compact(bad)
}

// judgesLicenseOf reports whether the licences of packages of a type are judged. A
// licence without a type, or of one that is not known, is.
func (j *judge) judgesLicenseOf(typ string) bool {
	class := evidence.Class("")
	switch {
	case slices.Contains(evidence.OSTypes(), typ):
		class = evidence.ClassOS
	case slices.Contains(evidence.LibraryTypes(), typ):
		class = evidence.ClassLanguage
	}
	return class == "" || listsType(licenseTypesKey.value(j.s), typ, class)
}

// licenseFine reports whether an SPDX expression can be met with licences that
// may ship.
func (j *judge) licenseFine(expression string) bool {
	fine := func(id string) bool {
		return !licenseListed(licenseDenyKey.value(j.s), id) &&
			(!licenseAllowKey.of(j.s).set || licenseListed(licenseAllowKey.value(j.s), id))
	}
	if strings.TrimSpace(expression) == "" {
		return fine(unknownLicense)
	}
	words := licenseWord.FindAllString(expression, -1)
	if e := (&expressionReader{words: words, fine: fine}); len(words) <= maxLicenseWords {
		if ok, read := e.either(0); read && len(e.words) == 0 {
			return ok
		}
	}
	// No expression: then every name in it has to be fine, and the whole too,
	// which may be a plain name such as "BSD 3-Clause".
	return fine(expression) && !slices.ContainsFunc(words, func(w string) bool {
		return licenseListed(licenseDenyKey.value(j.s), w)
	})
}

const maxLicenseWords = 200

var licenseWord = regexp.MustCompile(`[()]|[^()\s]+`)

// expressionReader reads an SPDX expression: OR binds weaker than AND, WITH
// adds an exception that is looked at as part of the name.
type expressionReader struct {
	words []string
	fine  func(id string) bool
}

func (e *expressionReader) next(word string) bool {
	if len(e.words) > 0 && strings.EqualFold(e.words[0], word) {
		e.words = e.words[1:]
		return true
	}
	return false
}

func (e *expressionReader) either(depth int) (ok, read bool) {
	ok, read = e.both(depth)
	for read && e.next("OR") {
		var right bool
		right, read = e.both(depth)
		ok = ok || right
	}
	return ok, read
}

func (e *expressionReader) both(depth int) (ok, read bool) {
	ok, read = e.one(depth)
	for read && e.next("AND") {
		var right bool
		right, read = e.one(depth)
		ok = ok && right
	}
	return ok, read
}

func (e *expressionReader) one(depth int) (ok, read bool) {
	if depth > 10 {
		return false, false
	}
	if e.next("(") {
		ok, read = e.either(depth + 1)
		return ok, read && e.next(")")
	}
	if len(e.words) == 0 || slices.Contains([]string{")", "AND", "OR", "WITH"}, strings.ToUpper(e.words[0])) {
		return false, false
	}
	id := e.words[0]
	e.words = e.words[1:]
	if e.next("WITH") {
		if len(e.words) == 0 {
			return false, false
		}
		e.words = e.words[1:]
	}
	return e.fine(id), true
}

// licenseListed reports whether a list names a licence. GNU licences have
// three spellings, AGPL-3.0, AGPL-3.0-only and AGPL-3.0-or-later (or +), and a
// list with the short one means all.
func licenseListed(list []string, id string) bool {
	id = strings.ToLower(strings.TrimSpace(id))
	if plus, ok := strings.CutSuffix(id, "+"); ok {
		id = plus + "-or-later"
	}
	base := strings.TrimSuffix(strings.TrimSuffix(id, "-only"), "-or-later")
	return slices.ContainsFunc(list, func(entry string) bool {
		entry = strings.ToLower(entry)
		if plus, ok := strings.CutSuffix(entry, "+"); ok {
			entry = plus + "-or-later"
		}
		return matchFold(entry, id) || matchFold(entry, base) || id == base && entry == base+"-only"
	})
}
