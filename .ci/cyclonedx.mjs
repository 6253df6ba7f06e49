// Validates a CycloneDX document with the CycloneDX project's own library:
// node cyclonedx.mjs FILE. It is copied beside node_modules to find it.
import fs from 'node:fs'
import { Validation } from '@cyclonedx/cyclonedx-library'

const text = fs.readFileSync(process.argv[2], 'utf8')
const problem = await new Validation.JsonStrictValidator(JSON.parse(text).specVersion).validate(text)
if (problem !== null) {
  console.error(JSON.stringify(problem).slice(0, 2000))
  process.exit(1)
}
