package vex

import (
	"encoding/json/jsontext"
	"errors"
	"fmt"
	"strings"
)

type (
	csafTree struct {
		Branches      []csafBranch       `json:"branches"`
		Products      []csafProduct      `json:"full_product_names"`
		Groups        []csafProductGroup `json:"product_groups"`
		Relationships []csafRelationship `json:"relationships"`
	}
	csafBranch struct {
		Branches []csafBranch `json:"branches"`
		Category string       `json:"category"`
		Name     string       `json:"name"`
		Product  *csafProduct `json:"product"`
	}
	csafProduct struct {
		Name   string      `json:"name"`
		ID     string      `json:"product_id"`
		Helper *csafHelper `json:"product_identification_helper"`
	}
	csafHelper struct {
		CPE           string         `json:"cpe"`
		Hashes        []csafHashes   `json:"hashes"`
		ModelNumbers  []string       `json:"model_numbers"`
		PURL          string         `json:"purl"`
		SBOMs         jsontext.Value `json:"sbom_urls"`
		SerialNumbers []string       `json:"serial_numbers"`
		SKUs          []string       `json:"skus"`
		GenericURIs   jsontext.Value `json:"x_generic_uris"`
	}
	csafHashes struct {
		Files []struct {
			Algorithm string `json:"algorithm"`
			Value     string `json:"value"`
		} `json:"file_hashes"`
		Name string `json:"filename"`
	}
	csafProductGroup struct {
		ID       string   `json:"group_id"`
		Products []string `json:"product_ids"`
		Summary  string   `json:"summary"`
	}
	csafRelationship struct {
		Category  string       `json:"category"`
		Product   *csafProduct `json:"full_product_name"`
		Reference string       `json:"product_reference"`
		RelatesTo string       `json:"relates_to_product_reference"`
	}
)

// Limits of a product tree.
const (
	maxBranches  = 30 // branches in branches
	maxRelations = 4  // relationships of relationships
)

// csafProducts are the products of a tree by their id.
type csafProducts struct {
	plain    map[string]component
	related  map[string]*csafRelation
	groups   map[string][]string
	expanded int // products of groups, as often as they were asked for
}

// csafRelation is a product that is another one, installed on or being a part of a
// third.
type csafRelation struct {
	*csafRelationship
	at  string
	own component // what the product itself is called
}

// categories are the categories of branches. true marks those that narrow a product in
// a way that is not compared.
var categories = map[string]bool{
	"architecture": false, "product_family": false, "product_name": false, "product_version": false, "specification": false, "vendor": false,
	"product_version_range": true, "host_name": true, "language": true, "legacy": true, "patch_level": true, "service_pack": true,
}

// relations are the categories of relationships. true marks those in which the one is
// a part of the other.
var relations = map[string]bool{
	"default_component_of": true, "optional_component_of": true, "installed_on": true,
	"external_component_of": false, "installed_with": false,
}

// readTree collects the products of a tree.
func readTree(t *csafTree) (*csafProducts, error) {
	p := &csafProducts{plain: map[string]component{}, related: map[string]*csafRelation{}, groups: map[string][]string{}}
	for i := range t.Branches {
		if err := p.branch(fmt.Sprintf("/product_tree/branches/%d", i), &t.Branches[i], csafNarrowed{}); err != nil {
			return nil, err
		}
	}
	for i := range t.Products {
		if err := p.define(fmt.Sprintf("/product_tree/full_product_names/%d", i), &t.Products[i], csafNarrowed{}); err != nil {
			return nil, err
		}
	}
	for i := range t.Relationships {
		if err := p.relate(fmt.Sprintf("/product_tree/relationships/%d", i), &t.Relationships[i]); err != nil {
			return nil, err
		}
	}
	for _, r := range p.related {
		if _, _, err := p.chain(r.at, r.Product.ID, 0); err != nil {
			return nil, err
		}
	}
	for i := range t.Groups {
		g, at := &t.Groups[i], fmt.Sprintf("/product_tree/product_groups/%d", i)
		if _, twice := p.groups[g.ID]; twice || g.ID == "" {
			return nil, fmt.Errorf("%s/group_id is %q, which is empty or another group's", at, clip(g.ID))
		}
		p.groups[g.ID] = g.Products
		if _, err := p.expand(at, g.Products, nil); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// csafNarrowed is what the branches around a product say of its version.
type csafNarrowed struct {
	version string
	ranged  bool
	depth   int
}

func (p *csafProducts) branch(at string, b *csafBranch, in csafNarrowed) error {
	narrows, known := categories[b.Category]
	switch {
	case !known:
		return fmt.Errorf("%s/category is %q, which is no category of CSAF", at, clip(b.Category))
	case (b.Product == nil) == (len(b.Branches) == 0):
		return fmt.Errorf("%s must have either product or branches", at)
	case in.depth == maxBranches:
		return fmt.Errorf("%s is deeper than %d branches", at, maxBranches)
	}
	in.depth++
	in.ranged = in.ranged || narrows
	if b.Category == "product_version" {
		in.ranged = in.ranged || in.version != "" // two versions
		in.version = b.Name
	}
	if b.Product != nil {
		return p.define(at+"/product", b.Product, in)
	}
	for i := range b.Branches {
		if err := p.branch(fmt.Sprintf("%s/branches/%d", at, i), &b.Branches[i], in); err != nil {
			return err
		}
	}
	return nil
}

// define adds a product.
func (p *csafProducts) define(at string, in *csafProduct, narrowed csafNarrowed) error {
	if err := p.free(at, in.ID); err != nil {
		return err
	}
	c, err := in.Helper.component(at + "/product_identification_helper")
	if err != nil {
		return err
	}
	c.ranged = c.ranged || narrowed.ranged
	p.plain[in.ID] = c.withVersion(narrowed.version)
	return nil
}

// free refuses an id that is empty or another product's.
func (p *csafProducts) free(at, id string) error {
	if _, plain := p.plain[id]; plain || p.related[id] != nil || id == "" {
		return fmt.Errorf("%s/product_id is %q, which is empty or another product's", at, clip(id))
	}
	return nil
}

func (h *csafHelper) component(at string) (component, error) {
	var c component
	if h == nil {
		return c, nil
	}
	if h.PURL != "" {
		if err := c.setPURL(at+"/purl", h.PURL); err != nil {
			return c, err
		}
	}
	c.ranged = len(h.ModelNumbers)+len(h.SerialNumbers)+len(h.SKUs) > 0
	if len(h.Hashes) > 0 {
		c.sha256 = otherHash
		if files := h.Hashes[0].Files; len(h.Hashes) == 1 && len(files) == 1 && files[0].Algorithm == "sha256" {
			c.sha256 = strings.ToLower(files[0].Value)
		}
	}
	return c, nil
}

// relate adds the product of a relationship.
func (p *csafProducts) relate(at string, r *csafRelationship) error {
	if _, known := relations[r.Category]; !known {
		return fmt.Errorf("%s/category is %q, which is no category of CSAF", at, clip(r.Category))
	}
	if r.Product == nil {
		return fmt.Errorf("%s/full_product_name is missing", at)
	}
	if err := p.free(at+"/full_product_name", r.Product.ID); err != nil {
		return err
	}
	own, err := r.Product.Helper.component(at + "/full_product_name/product_identification_helper")
	if err != nil {
		return err
	}
	p.related[r.Product.ID] = &csafRelation{csafRelationship: r, at: at, own: own}
	return nil
}

// product returns what an id stands for.
func (p *csafProducts) product(at, id string) (product, error) {
	chain, partOf, err := p.chain(at, id, 0)
	if err != nil {
		return product{}, err
	}
	return productOf(chain, partOf), nil
}

var errUnknownProduct = errors.New("which product_tree does not define")

// chain returns the components of a product, each a part of the one behind it. partOf
// is false when one is no part of the next, or when the product is called something
// that its first component is not.
func (p *csafProducts) chain(at, id string, depth int) (chain []component, partOf bool, err error) {
	if c, plain := p.plain[id]; plain {
		return []component{c}, true, nil
	}
	r := p.related[id]
	switch {
	case r == nil:
		return nil, false, fmt.Errorf("%s names the product %q, %w", at, clip(id), errUnknownProduct)
	case depth == maxRelations:
		return nil, false, fmt.Errorf("%s: the relationships of %q are a circle, or deeper than %d", at, clip(id), maxRelations)
	}
	first, partOfFirst, err := p.chain(r.at+"/product_reference", r.Reference, depth+1)
	if err != nil {
		return nil, false, err
	}
	second, partOfSecond, err := p.chain(r.at+"/relates_to_product_reference", r.RelatesTo, depth+1)
	if err != nil {
		return nil, false, err
	}
	same := r.own.purl == nil || first[0].purl != nil && r.own.purl.ToString() == first[0].purl.ToString()
	return append(first, second...), partOfFirst && partOfSecond && relations[r.Category] && same && r.own.sha256 == "" && !r.own.ranged, nil
}

// expand returns products and those of groups, all of which have to be defined.
func (p *csafProducts) expand(at string, products, groups []string) ([]string, error) {
	out := products[:len(products):len(products)]
	for _, id := range groups {
		members, known := p.groups[id]
		if !known {
			return nil, fmt.Errorf("%s names the group %q, %w", at, clip(id), errUnknownProduct)
		}
		out = append(out, members...)
	}
	if p.expanded += len(out); p.expanded > 10*maxComponents {
		return nil, fmt.Errorf("%s: the document names more than %d products", at, 10*maxComponents)
	}
	for _, id := range out {
		if _, plain := p.plain[id]; !plain && p.related[id] == nil {
			return nil, fmt.Errorf("%s names the product %q, %w", at, clip(id), errUnknownProduct)
		}
	}
	return out, nil
}
