// Package gatetest is what the tests and the demo are made of: a registry on
// loopback, images built in memory (honest ones and liars), advisory databases
// made from the data in this directory, faults that a registry can have, and
// transformations that hide something from a scanner.
//
// Plain functions return errors; those that take a [testing.TB] fail the test.
// Nothing here needs a network, and nothing here decides anything.
package gatetest
