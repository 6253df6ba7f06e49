package main

import (
	"go/ast"
	"strings"
)

// orderOfPerSeverity is the argument of policy's perSeverity that is an order.
const orderOfPerSeverity = 4

// wrongOrders are functions of the chooser that make a wrong order of any order.
func wrongOrders() []string {
	return []string{"anyOrder", "reversedOrder", "strictlyOrder", "equalOrder"}
}

// comparisons lists what the comparison of two items is replaced by.
func comparisons() map[string][]string {
	return map[string][]string{
		"same": {"sameFold"}, "sameFold": {"same"}, "covered": {"same", "coveredURI"}, "coveredURI": {"covered"},
		"longer": {"shorter"}, "shorter": {"longer"}, "strictest": nil,
	}
}

// order replaces the order of a key's values: by one that takes everything, by its
// reverse, by one that refuses equal values and by one that takes only those. Words
// are swapped, and lists compared the other way round or item by item otherwise.
func (c *collector) order(e ast.Expr) {
	text := c.text(e.Pos(), e.End())
	for _, name := range wrongOrders() {
		c.add("order", e.Pos(), e.End(), name+"("+text+")")
	}
	call, ok := e.(*ast.CallExpr)
	if !ok {
		return
	}
	name := c.text(call.Fun.Pos(), call.Fun.End())
	for _, to := range comparisons()[name] {
		c.add("order", e.Pos(), e.End(), to+strings.TrimPrefix(text, name))
	}
	var args []string
	for _, a := range call.Args {
		args = append(args, c.text(a.Pos(), a.End()))
	}
	if name != "strictest" {
		for _, to := range comparisons()[args[0]] {
			c.add("order", e.Pos(), e.End(), name+"("+to+")")
		}
		return
	}
	for i := range len(args) - 1 {
		args[i], args[i+1] = args[i+1], args[i]
		c.add("order", e.Pos(), e.End(), name+"("+strings.Join(args, ", ")+")")
		args[i], args[i+1] = args[i+1], args[i]
	}
}
