package manifests

import (
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/api"
	psa "k8s.io/pod-security-admission/policy"

	"github.com/imagegate/imagegate/policy/evidence"
)

// podSecurityVersion is the version of Kubernetes that the library in go.mod is of.
const podSecurityVersion = "1.36"

// standards are the Pod Security Standards and the versions that changed them.
type standards struct {
	evaluator psa.Evaluator
	versions  []api.Version
}

var loadStandards = sync.OnceValues(func() (*standards, error) {
	checks := psa.DefaultChecks()
	e, err := psa.NewEvaluator(checks, nil)
	if err != nil {
		return nil, err
	}
	s := &standards{evaluator: e, versions: []api.Version{api.MajorMinorVersion(1, 0)}}
	for _, c := range checks {
		for _, v := range c.Versions {
			if !slices.Contains(s.versions, v.MinimumVersion) {
				s.versions = append(s.versions, v.MinimumVersion)
			}
		}
	}
	slices.SortFunc(s.versions, func(a, b api.Version) int {
		if a.Older(b) {
			return -1
		}
		return 1
	})
	return s, nil
})

// podSecurity evaluates a pod by both levels and by each version that changed
// something, so that a policy can ask for any of them later.
func podSecurity(meta *metav1.ObjectMeta, spec *corev1.PodSpec) ([]evidence.PodSecurity, error) {
	s, err := loadStandards()
	if err != nil {
		return nil, err
	}
	spec = defaulted(spec)
	var out []evidence.PodSecurity
	for _, level := range []api.Level{api.LevelBaseline, api.LevelRestricted} {
		var last *evidence.PodSecurity
		for _, version := range s.versions {
			now := evidence.PodSecurity{Level: string(level), Version: version.String()[1:]}
			for _, result := range s.evaluator.EvaluatePod(api.LevelVersion{Level: level, Version: version}, meta, spec) {
				if !result.Allowed {
					now.Violations = append(now.Violations, evidence.PodSecurityViolation{
						Control: result.ForbiddenReason, Reason: result.ForbiddenReason, Detail: result.ForbiddenDetail,
					})
				}
			}
			if last != nil && slices.Equal(last.Violations, now.Violations) {
				continue
			}
			out = append(out, now)
			last = &out[len(out)-1]
		}
	}
	return out, nil
}

// defaulted returns the pod as the API server stores it: a volume without a source
// is an emptyDir.
func defaulted(spec *corev1.PodSpec) *corev1.PodSpec {
	empty := func(v corev1.Volume) bool { return v.VolumeSource == (corev1.VolumeSource{}) }
	if !slices.ContainsFunc(spec.Volumes, empty) {
		return spec
	}
	out := *spec
	out.Volumes = slices.Clone(spec.Volumes)
	for i := range out.Volumes {
		if empty(out.Volumes[i]) {
			out.Volumes[i].EmptyDir = &corev1.EmptyDirVolumeSource{}
		}
	}
	return &out
}
