/** The generator's process: a load as JSON on the command line, a result as JSON on stdout. */
import { Generator } from './generator.js';
import type { Load } from './load.js';

const result = await new Generator(JSON.parse(process.argv[2] ?? '') as Load).run();
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
