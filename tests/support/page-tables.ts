/** The tables of a Markdown page, by the heading above them. Their cells have no escaped bars. */
import { readFileSync } from 'node:fs';

export interface PageTable {
  readonly heading: string;
  /** The first row. */
  readonly titles: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export function readPage(file: string): PageTable[] {
  const tables: { heading: string; titles: string[]; rows: string[][] }[] = [];
  let heading = '';
  let isInTable = false;
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    heading = /^#+ (.+)/.exec(line)?.[1] ?? heading;
    const cells = /^\|(.*)\|$/
      .exec(line)?.[1]
      ?.split('|')
      .map((cell) => cell.trim());
    if (cells !== undefined && !isInTable) tables.push({ heading, titles: cells, rows: [] });
    else if (cells !== undefined && !cells.every((cell) => /^:?-+:?$/.test(cell))) tables.at(-1)!.rows.push(cells);
    isInTable = cells !== undefined;
  }
  return tables;
}

/** The rows of the only table under a heading. `title` selects the table by the heading of its first column. */
export function tableUnder(tables: readonly PageTable[], heading: string, title?: string): PageTable['rows'] {
  const found = tables.filter((each) => each.heading === heading && (title ?? each.titles[0]) === each.titles[0]);
  if (found.length !== 1) throw new Error(`${found.length} such tables under "${heading}"`);
  return found[0]!.rows;
}
