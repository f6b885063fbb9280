// Whether openapi.json of the current folder is valid OpenAPI: the packages are in HEARTH_NODE.
import {createRequire} from "node:module";
import {pathToFileURL} from "node:url";

const require = createRequire(process.env.HEARTH_NODE + "/");
const path = require.resolve("@seriousme/openapi-schema-validator");
const {Validator} = await import(pathToFileURL(path));
const result = await new Validator().validate("./openapi.json");
if (!result.valid) {
  console.error(JSON.stringify(result, null, 1));
  process.exit(1);
}
