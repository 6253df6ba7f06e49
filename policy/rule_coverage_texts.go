package policy

import "github.com/imagegate/imagegate/policy/evidence"

func gapTexts() []gapText {
	return []gapText{
		{
			evidence.GapUnknownOS, levelFail, "The operating system was identified.",
			"Without it no OS package can be looked up, and nothing found means nothing.",
			"restore /etc/os-release; for an image that has no operating system by design, say coverage: {unknown-os: warn} in an override that names it",
		},
		{
			evidence.GapUnsupportedOS, levelFail, "There are advisories for exactly this release of the operating system.",
			"An unknown release has no advisories, so none of its packages is ever found vulnerable.",
			"use a release that the advisory database covers, or update imagegate",
		},
		{
			evidence.GapOSMismatch, levelFail, "Operating system and package manager fit each other.",
			"A file that claims another vendor switches the advisories that are looked at.",
			"restore the files that the base image came with",
		},
		{
			evidence.GapPackageDatabase, levelFail, "The package databases are whole.",
			"A package missing in the database of installed packages cannot be looked up, but its files are still there.",
			"do not delete, link or edit package databases; for an image without them by design, say coverage: {package-database: warn} in an override that names it",
		},
		{
			evidence.GapNoAdvisories, levelWarn, "Every OS package is of the distribution.",
			"A third party publishes no advisories here. Its packages are matched with those of the distribution for the same name, which may know nothing of them.",
			"install the packages from the distribution, or follow the advisories of their makers yourself",
		},
		{
			evidence.GapUnsupportedPackages, levelFail, "There are advisories for every type of package.",
			"Packages of a type without advisories, such as conda packages, are compared with nothing.",
			"remove the packages, or say coverage: {unsupported-packages: warn} in an override that names the image",
		},
		{
			evidence.GapScannerErrors, levelFail, "The scanner read everything it should.",
			"Trivy logs a file that it could not read and goes on as if the file were not there. A file that a later layer deletes or replaces does not count, if it is certainly in no container of the image any more.",
			"look at the files named; a newer imagegate may read them",
		},
		{
			evidence.GapUnidentifiedJars, levelWarn, "Every jar could be identified.",
			"A jar that neither its own metadata nor the Java database identifies is compared with no advisory. An application's own jars are often such.",
			"build the jar with the metadata of Maven (META-INF/maven/.../pom.properties), or replace it by the released one",
		},
		{
			evidence.GapJavaDatabase, levelFail, "The Java database was there when jars were looked up.",
			"A jar without metadata is known by its hash alone, through the Java database.",
			"fetch the Java database: imagegate db update --java",
		},
		{
			evidence.GapHiddenFiles, levelFail, "No link, device or odd deletion hides the files that decide.",
			"With links, devices or unusual whiteouts where package databases belong, two readers can see different files.",
			"rebuild the image without them",
		},
	}
}

func otherCoverageRules() []*Rule {
	return []*Rule{
		{
			ID: ruleEndOfLife, Title: "The operating system is still supported.",
			Why:      "After its end of life no advisories are published, so new vulnerabilities are not found.",
			How:      "move to a release that is supported",
			Settings: "fail (the image is denied) or warn; the last day of support is still supported. With {level: fail, warn-before: 90d} it also warns before the end.", Default: levelFail,
			Example: "coverage: {end-of-life: warn}\n",
			keys:    []key{endOfLifeKey},
			check:   ofPackages(ruleEndOfLife, checkEndOfLife),
		},
		{
			ID: ruleDatabaseAge, Title: "The advisory database is recent.",
			Why:      "What was published after its build date cannot be found.",
			How:      "update the database: imagegate db update",
			Settings: "a time such as 36h or 5d, counted from the build date. An older database, one without a date or one from the future gives no verdict.",
			Default:  "5d", Example: "coverage: {database-max-age: 36h}\n",
			keys: []key{databaseAgeKey}, NoLevel: "without it there is no verdict, so it has no level",
			check: ofPackages(ruleDatabaseAge, checkDatabaseAge),
		},
		{
			ID: ruleUnattributed, Title: "Executables are accounted for.",
			Why: "A program that was copied in, packed or stripped is in no package list, so no advisory finds it.",
			How: "install programs as packages or build Go programs with their build info", Levels: true,
			Settings: "max: how many executables without a package, build info or owner are allowed. Above it the image is denied.",
			Default:  "not limited", Example: "coverage: {unattributed: {max: 0}}\n",
			keys:  []key{unattributedKey},
			check: ofPackages(ruleUnattributed, checkUnattributed),
		},
		{
			ID: ruleBundledSBOMs, Title: "The image carries no software bills of materials of its own.",
			Why:      "They are the author's claim. imagegate lets them add packages and never hide one. With warn, those that list only packages that are known from elsewhere in the image do not count.",
			How:      "check that the packages in them are there, or set coverage.bundled-sboms to ignore",
			Settings: "fail (the image is denied), warn or ignore", Default: levelWarn,
			Example: "coverage: {bundled-sboms: ignore}\n",
			keys:    []key{bundledKey},
			check:   checkBundledSBOMs,
		},
	}
}
