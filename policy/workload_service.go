package policy

import "github.com/imagegate/imagegate/policy/evidence"

// howFor says what to do about a problem for which the rule has no cure of its own: in
// the words of Compose where the workload is a service.
func howFor(r *Rule, w *evidence.Workload) string {
	if w == nil || !isService(w) {
		return r.How
	}
	switch r.ID {
	case ruleRunAsNonRoot:
		return serviceUserCure
	case ruleReadOnlyRoot:
		return "read_only: true, and a tmpfs where the program writes"
	case ruleWorkloadCapabilities:
		return "cap_drop: [ALL]"
	case ruleDenyHost:
		return "remove the field"
	case rulePullPolicy:
		return "name the image by its digest, or write pull_policy: always"
	}
	return r.How
}

// serviceUserCure gives a service a user.
const serviceUserCure = "user: \"10001\", or end the Dockerfile with USER 10001"
