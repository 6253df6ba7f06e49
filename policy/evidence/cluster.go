package evidence

// NetworkPolicy is what a NetworkPolicy does to the pods of its namespace.
type NetworkPolicy struct {
	Object
	// Selector chooses the pods.
	Selector Selector `json:"selector"`
	Ingress  bool     `json:"ingress"` // it isolates them for ingress
	Egress   bool     `json:"egress"`
	// IngressRules and EgressRules count its rules; without one, nothing is allowed.
	IngressRules int `json:"ingressRules,omitempty"`
	EgressRules  int `json:"egressRules,omitempty"`
	// AllowsAllIngress is true when a rule allows every peer on every port.
	AllowsAllIngress bool `json:"allowsAllIngress,omitempty"`
	AllowsAllEgress  bool `json:"allowsAllEgress,omitempty"`
	// Foreign is true for a policy of another API, such as a CiliumNetworkPolicy:
	// it was seen, and what it does is not known.
	Foreign bool `json:"foreign,omitempty"`
}

// Selector is a label selector. The zero value selects everything.
type Selector struct {
	Labels      map[string]string     `json:"labels,omitempty"`
	Expressions []SelectorRequirement `json:"expressions,omitempty"`
}

// SelectorRequirement is one of matchExpressions.
type SelectorRequirement struct {
	Key      string   `json:"key"`
	Operator string   `json:"operator"` // In, NotIn, Exists, DoesNotExist
	Values   []string `json:"values,omitempty"`
}

// RuntimeClass maps a name to the handler of the container runtime.
type RuntimeClass struct {
	Object
	Handler string `json:"handler"`
}

// Service leads to ports of pods.
type Service struct {
	Object
	Type string `json:"type,omitempty"`
	// Selector is nil when the service selects no pod.
	Selector map[string]string `json:"selector,omitempty"`
	Ports    []ServicePort     `json:"ports,omitempty"`
}

// ServicePort is one port of a service.
type ServicePort struct {
	Port     int `json:"port"`
	Target   int `json:"target,omitempty"` // 0 when the target is a name
	NodePort int `json:"nodePort,omitempty"`
	// TargetName is the name of a port of the pods.
	TargetName string `json:"targetName,omitempty"`
	Protocol   string `json:"protocol"` // tcp, udp or sctp
	At         Place  `json:"at"`
}

// PersistentVolume is a volume of the cluster.
type PersistentVolume struct {
	Object
	HostPath string `json:"hostPath,omitempty"` // of hostPath or local, as written
	// Claim is the claim that it is reserved for, NAMESPACE/NAME; "" for none.
	Claim string `json:"claim,omitempty"`
}

// VolumeClaim is a PersistentVolumeClaim.
type VolumeClaim struct {
	Object
	Volume string `json:"volume,omitempty"` // name of the PersistentVolume that it asks for
}
