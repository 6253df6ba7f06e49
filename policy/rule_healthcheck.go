package policy

const ruleHealthcheck = "config.require-healthcheck"

var healthcheckKey = switchKey(ruleHealthcheck, "Whether a HEALTHCHECK must be set.")

func healthcheckRule() *Rule {
	return &Rule{
		ID: ruleHealthcheck, Title: "The image has a health check.",
		Why: "Docker and Swarm restart a container that reports itself unhealthy. Kubernetes ignores HEALTHCHECK and has probes of its own.",
		How: "add HEALTHCHECK to the Dockerfile", Default: "not asked", Levels: true,
		Settings: "true or false", Example: "config: {require-healthcheck: true}\n",
		keys: []key{healthcheckKey}, on: healthcheckKey.value, check: checkHealthcheck,
	}
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
