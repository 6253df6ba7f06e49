package policy

import "github.com/imagegate/imagegate/policy/evidence"

const ruleLicenses = "licenses"

var (
	licenseDenyKey  = globKey("licenses.deny", "Licences that may not ship: SPDX ids, globs allowed.", nameGlob, true, longer(sameFold))
	licenseAllowKey = globKey("licenses.allow", "The only licences that may ship. List unknown to allow packages without a known licence.", nameGlob, true, shorter(sameFold))
	licenseTypesKey = &setting[[]string]{
		path: "licenses.types", doc: "Packages whose licences are judged: os, library, or Trivy's names for package types.",
		schema: listOf(enum(packageTypes()...)), read: wordList(packageTypes()), order: judgesAll, unset: new([]string{typeOS, typeLibrary}),
	}
	licenseLevelKey = wordKey("licenses.level", "What a licence that may not ship does.", levelFail, levelWarn).orElse(levelFail)
)

func licenseSection() section {
	return section{name: ruleLicenses, doc: "Licences of the packages.", rules: []*Rule{{
		ID: ruleLicenses, Title: "The packages have licences that may ship.",
		Why: "To ship an image is to distribute it, and some licences then ask for more than a company wants to give.",
		How: "replace the package, or let the legal department change the list", Default: "not asked",
		NoLevel: "set licenses.level instead",
		Settings: "deny and allow: lists of SPDX ids, globs allowed, compared without regard to case; AGPL-3.0 means its -only and -or-later forms too. " +
			"Of licences joined by OR one has to be fine, of those joined by AND all. With allow, a package without a known licence has the licence unknown. types: whose licences are judged, such as [library] for a team that does not choose those of the distribution; every type without it. level: fail or warn.",
		Example: "licenses: {deny: [AGPL-3.0, \"SSPL-*\"], level: warn}\n",
		keys:    []key{licenseDenyKey, licenseAllowKey, licenseTypesKey, licenseLevelKey},
		on:      func(s *settings) bool { return licenseDenyKey.of(s).set || licenseAllowKey.of(s).set },
		// A licence belongs to a package. Without all packages it is not known
		// whether all licences were seen.
		needs: func(*settings) evidence.Need { return evidence.NeedLicenses | evidence.NeedPackages },
		check: checkLicenses,
	}}}
}
