package shapes

import (
	"github.com/imagegate/imagegate/gate/gatetest/imagetest"
)

// metadata are files that describe a package and that two readers read differently.
func metadata() []Shape {
	const wheel, gem = "app/lib/python3/site-packages/Flask-2.2.3.dist-info/METADATA", "app/lib/ruby/gems/3.3.0/specifications/rake-12.3.2.gemspec"
	const head = "# -*- encoding: utf-8 -*-\n# stub: rake 12.3.2 ruby lib\n\nGem::Specification.new do |s|\n"
	on := func(path, text string) imagetest.Layer { return with(debian(), imagetest.Text(path, text)) }
	const doubt, says = "which package it is depends on who reads it", "the program that owns the file reads it as what it is"
	return []Shape{
		ordinary("metadata-python-twice-the-same", says, on(wheel, "Metadata-Version: 2.1\nName: Flask\nName: Flask\nVersion: 3.1.3\n")),
		ordinary("metadata-python-folded", says, on(wheel, "Metadata-Version: 2.1\r\nName:\r\n Flask\r\nVersion: 3.1.3\r\n\r\nName: other\r\n")),
		ordinary("metadata-gem-of-old-rubygems", says, on(gem, "Gem::Specification.new do |s|\n  s.name = %q{rake}\n  s.version = \"13.2.1\"\nend\n")),
		ordinary("metadata-gem-that-describes-itself", says, on(gem, "#\n# stub: rake 13.2.1 ruby lib\nGem::Specification.new do |s|\n  s.name = \"rake\".freeze\n  s.version = \"13.2.1\"\n  s.description = \"sets s.name and s.version = '1'\".freeze\nend\n")),
		attack("metadata-attack-python-two-names", doubt, NoVerdict, on(wheel, "Metadata-Version: 2.1\nName: harmless\nName: Flask\nVersion: 2.2.3\n")).naming(wheel),
		attack("metadata-attack-python-two-versions", doubt, NoVerdict, on(wheel, "Metadata-Version: 2.1\nName: Flask\nVersion: 99\nVersion: 2.2.3\n")).naming(wheel),
		attack("metadata-attack-python-carriage-returns", doubt, NoVerdict, on(wheel, "Metadata-Version: 2.1\nX: y\rName: Flask\rVersion: 2.2.3\nName: harmless\nVersion: 1\n")).naming(wheel),
		attack("metadata-attack-gem-quotes", says, Fail, on(gem, head+"  s.name = %q{rake}\n  s.version = \"12.3.2\"\nend\n")),
		attack("metadata-attack-gem-decoy-in-comment", says, Fail, on(gem, head+"=begin\n  s.name = \"rake\"\n  s.version = \"99\"\n  s.license = \"MIT\"\n=end\n  s.name = \"rake\"\n  s.version = \"12.3.2\"\nend\n")),
		attack("metadata-attack-gem-stub", "RubyGems reads the stub first", Fail, on(gem, head+"  s.name = \"harmless\"\n  s.version = \"1\"\nend\n")),
		attack("metadata-attack-gem-twice", doubt, NoVerdict, on(gem, head+"  s.name = \"rake\"\n  s.version = \"99\"\n  s.license = \"MIT\"\n  s.version = \"12.3.2\"\nend\n")).naming(gem),
		attack("metadata-attack-gem-sum", doubt, NoVerdict, on(gem, head+"  s.name = \"ra\"+\"ke\"\n  s.version = \"12.3.2\"\nend\n")).naming(gem),
	}
}
