/** The generator's process: takes a load as JSON argument, prints the result as JSON. */
import { Generator } from './generator.js';
import type { Load } from './load.js';

const result = await new Generator(JSON.parse(process.argv[2] ?? '') as Load).run();
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
