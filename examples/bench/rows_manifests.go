package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// manifestDeployments is how many Deployments the row about manifests has.
const manifestDeployments = 300

// manifestPolicy asks what can be judged without a layer of the image.
const manifestPolicy = "version: 1\nextends: none\nreference: {deny-tags: [latest]}\nworkload: {pod-security: restricted@1.36, deny-privileged: true, " +
	"deny-mounts: [container-runtime], deny-host: [network, pid, ipc, ports], capabilities: {allow: none}, read-only-root: true, deny-ports: [2375, 2376]}\n"

// manifestRow judges Deployments with one image, beside kube-linter and beside kube-score,
// which do not look at the image.
func (b *bench) manifestRow() ([]row, error) {
	documents, policy := filepath.Join(b.work, "deployments.yaml"), "manifests.yaml"
	var rows []row
	for _, peer := range []struct{ id, program, verb, variable string }{
		{"manifests", "kube-linter", "lint", "IMAGEGATE_KUBE_LINTER"},
		{"manifests-score", "kube-score", "score", "IMAGEGATE_KUBE_SCORE"},
	} {
		command := program(peer.variable, peer.program)
		rows = append(rows, row{
			id: peer.id, title: fmt.Sprintf("%d Deployments and their image", manifestDeployments), other: peer.program + " " + peer.verb, target: 1, noLayers: true, needs: []string{command},
			fill: func(context.Context) error {
				if err := os.WriteFile(filepath.Join(b.work, policy), []byte(manifestPolicy), 0o600); err != nil {
					return err
				}
				return os.WriteFile(documents, []byte(deployments(b.registry.ref("debian-slim"))), 0o600)
			},
			ours: func(dir string) side {
				return side{steps: []step{b.check(filepath.Join(dir, "gate.json"), policy, noCache, []string{"--manifests", documents})}}
			},
			their: func(string) side {
				return side{steps: []step{{[]string{command, peer.verb, documents}, []int{0, 1}}}}
			},
		})
	}
	return rows, nil
}

// deployments writes the documents.
func deployments(image string) string {
	var b strings.Builder
	for i := range manifestDeployments {
		b.WriteString(strings.NewReplacer("NAME", fmt.Sprintf("web-%d", i), "IMAGE", image).Replace(deployment))
	}
	return b.String()
}

const deployment = `---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: NAME
  namespace: shop
  labels: {app: NAME}
spec:
  replicas: 2
  selector:
    matchLabels: {app: NAME}
  template:
    metadata:
      labels: {app: NAME}
    spec:
      automountServiceAccountToken: false
      securityContext:
        runAsNonRoot: true
        runAsUser: 10001
        seccompProfile: {type: RuntimeDefault}
      containers:
      - name: web
        image: IMAGE
        ports:
        - containerPort: 8080
        readinessProbe:
          httpGet: {path: /, port: 8080}
        livenessProbe:
          httpGet: {path: /live, port: 8080}
        resources:
          requests: {cpu: 100m, memory: 64Mi}
          limits: {cpu: 200m, memory: 128Mi}
        securityContext:
          allowPrivilegeEscalation: false
          readOnlyRootFilesystem: true
          capabilities:
            drop: [ALL]
        volumeMounts:
        - name: tmp
          mountPath: /tmp
      volumes:
      - name: tmp
        emptyDir: {}
`
