// Package registrytest is a registry on loopback that serves images exactly as
// they claim to be, asks for credentials, counts requests and has faults.
package registrytest
