package policy

import "time"

func referenceRules() []*Rule {
	return []*Rule{
		{
			ID: ruleEvidence, Title: "There is complete evidence about exactly one image.",
			Why:      "A pass is a statement of what was seen. Evidence that is missing, cut short or about another digest supports no statement.",
			How:      "check the image again; saved evidence must have been collected for this policy",
			Settings: "none: it always applies", Default: "always on",
			check: checkEvidence,
		},
		{
			ID: rulePin, Title: "The reference names the image exactly enough.",
			Why: "A tag such as latest or 1.2 stands for another image tomorrow: what was judged is not what will be deployed.",
			How: "name a full version, such as app:1.4.2, or the digest: app@sha256:HEX",
			Settings: "digest (name@sha256:...), version (a digest, or a tag that names one release: three numbers, a date or a commit), any. " +
				"Images from oci: and tar: are judged by their content and always meet it.",
			Default: "not asked", Example: "reference: {pin: version}\n", Levels: true,
			where: func(s *settings) (Position, bool) { return s.pin.pos, s.pin.set && s.pin.value != wordAny },
			check: checkPin,
		},
		{
			ID: ruleDenyTags, Title: "The tag is none of those that may not ship.",
			Why: "Snapshots, edge builds and latest are for trying out.",
			How: "ship a release tag instead",
			Settings: "a list of globs on the tag, compared without regard to case. A reference without tag and digest has the tag latest. " +
				"A tag that is written beside a digest is judged too, although the digest decides what is pulled: the reader sees the tag.",
			Default: "not asked", Example: "reference: {deny-tags: [latest, edge, \"*-snapshot\"]}\n", Levels: true,
			where: optionAt(func(s *settings) *option[[]string] { return &s.denyTags }),
			check: checkDenyTags,
		},
		{
			ID: ruleAllow, Title: "The image comes from an allowed registry and repository.",
			Why: "An image from anywhere is code from anyone.",
			How: "copy the image into an allowed repository, or add its repository to reference.allow",
			Settings: "a list of globs on registry/repository, written whole: docker.io/library/alpine. * stays within one part of the path, ** goes across. " +
				"oci:DIR and tar:FILE are matched as they were written on the command line.",
			Default: "not asked", Example: "reference: {allow: [\"registry.example.no/**\"]}\n", Levels: true,
			where: optionAt(func(s *settings) *option[[]string] { return &s.allow }),
			check: checkAllow,
		},
	}
}

func configRules() []*Rule {
	return []*Rule{
		{
			ID: ruleUser, Title: "The image does not run as root.",
			Why: "A process that breaks out of a container is on the host what it was inside.",
			How: "end the Dockerfile with a user that is not root, best by number: USER 10001",
			Settings: "non-root (uid other than 0, as a runtime resolves USER through the image's /etc/passwd), numeric (also written as a number, which is what " +
				"Kubernetes runAsNonRoot can verify), any. Group 0 alone is not root, but it is mentioned.",
			Default: "not asked", Example: "config: {user: non-root}\n", Levels: true,
			where: func(s *settings) (Position, bool) { return s.user.pos, s.user.set && s.user.value != wordAny },
			check: checkUser,
		},
		{
			ID: ruleDenyPorts, Title: "The image exposes none of these ports.",
			Why: "A port for remote shells or for the Docker API has no place in a service.",
			How: "remove EXPOSE for the port, and what listens there", Default: "not asked", Levels: true,
			Settings: "a list of ports: 22 (any protocol), \"53/udp\", \"8000-8100\"",
			Example:  "config: {deny-ports: [22, 2375, \"9000-9100/tcp\"]}\n",
			where:    optionAt(func(s *settings) *option[[]portRange] { return &s.denyPorts }),
			check:    checkPorts,
		},
		{
			ID: ruleLabels, Title: "The image has these labels.",
			Why: "Whoever finds an image in production must be able to find its source.",
			How: "set the labels at build time: docker build --label NAME=VALUE", Default: "not asked", Levels: true,
			Settings: "a list of label names; a label must be set and not be blank",
			Example:  "config: {require-labels: [org.opencontainers.image.source]}\n",
			where:    optionAt(func(s *settings) *option[[]string] { return &s.requireLabels }),
			check:    checkLabels,
		},
		{
			ID: ruleMaxAge, Title: "The image was built recently.",
			Why: "An image nobody rebuilds gets no fixes from its base image.",
			How: "rebuild the image on its current base", Default: "not asked", Levels: true,
			Settings: "a time such as 36h, 30d or 8w. An image that does not say when it was built is undecided.",
			Example:  "config: {max-age: 90d}\n",
			where:    optionAt(func(s *settings) *option[time.Duration] { return &s.maxAge }),
			check:    checkMaxAge,
		},
		{
			ID: ruleMaxSize, Title: "The compressed layers are not larger than this.",
			Why: "Large images are slow to start and carry what nobody needs.",
			How: "build in several stages and ship only the result", Default: "not asked", Levels: true,
			Settings: "a size such as 500MB or 2GiB", Example: "config: {max-size: 500MB}\n",
			where: optionAt(func(s *settings) *option[int64] { return &s.maxSize }),
			check: checkMaxSize,
		},
		{
			ID: ruleHealthcheck, Title: "The image has a health check.",
			Why: "Docker and Swarm restart what says that it is ill. Kubernetes ignores HEALTHCHECK and has probes of its own.",
			How: "add HEALTHCHECK to the Dockerfile", Default: "not asked", Levels: true,
			Settings: "true or false", Example: "config: {require-healthcheck: true}\n",
			where: func(s *settings) (Position, bool) { return s.healthcheck.pos, s.healthcheck.value },
			check: checkHealthcheck,
		},
		{
			ID: ruleDenyEnv, Title: "The image sets none of these environment variables.",
			Why: "Everyone who can pull the image can read them, so no password belongs there.",
			How: "remove ENV for the variable and pass it at run time", Default: "not asked", Levels: true,
			Settings: "a list of globs on names, compared without regard to case. Values are never looked at.",
			Example:  "config: {deny-env: [\"*PASSWORD*\", \"*_TOKEN\"]}\n",
			where:    optionAt(func(s *settings) *option[[]string] { return &s.denyEnv }),
			check:    checkEnv,
		},
		{
			ID: rulePlatforms, Title: "The image is offered for these platforms.",
			Why: "A release that lacks a platform fails on the machines that need it.",
			How: "build and push the missing platforms, and check the index rather than one manifest", Default: "all", Levels: true,
			Settings: "all (judge whatever is offered, ask for nothing), or a list of os/architecture[/variant] that must be offered. " +
				"Without a variant any variant will do.",
			Example: "platforms: [linux/amd64, linux/arm64]\n",
			where:   func(s *settings) (Position, bool) { return s.platforms.pos, len(s.platforms.value) > 0 },
			check:   checkPlatforms,
		},
	}
}
