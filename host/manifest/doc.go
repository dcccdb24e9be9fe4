// Package manifest turns the TOML text of a manifest into a validated
// Manifest. The field specification in spec.go is the only place that knows
// which keys exist: parsing, findings, the JSON schema, the output of `config`
// and the reference page are all made from it.
//
// Findings are collected, never cut short: a manifest is read to its end and
// everything wrong with it is reported at once, each with a code, a place and
// what to do. Only an error of TOML's own syntax ends the reading.
//
// Ids ([topic.ID], [handler.ID], ...) are kebab-case: lower-case letters,
// digits and single hyphens, starting with a letter. A topic whose name at the
// broker has dots, underscores or capitals gets an id of that form and name =
// "...". So an id can stand in metrics, in the paths that `config` prints and
// in file names without being quoted.
//
// ${VAR}, ${VAR:-default}, ${VAR:?why} and ${file:path} are replaced inside
// string values only, after parsing: no value can change the structure of the
// document. "$${" stands for "${". A value with a reference may stand for a
// number, a size, a duration or a truth value too. What comes out of a file is
// a secret and never shown.
package manifest
