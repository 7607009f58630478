/**
 * Headers tables for amqplib, which makes each of them the prototype of another object. A new prototype costs V8 five
 * microseconds per message, and only a full collection frees it. So messages with the same header names share one
 * table, filled with the values of the latest: amqplib encodes it before `publish` returns.
 */
const TABLES_MAX = 64;

/** Names and values of a headers table, in order. The names MUST differ. */
export class TableColumns {
  readonly names: string[] = [];
  readonly values: string[] = [];
  /** Equal for equal names in equal order, and only then: each name follows its length. */
  key = '';

  add(name: string, value: string): void {
    this.names.push(name);
    this.values.push(value);
    this.key += `${name.length}:${name}`;
  }

  /** Changes the value of an added name. */
  set(name: string, value: string): void {
    this.values[this.names.lastIndexOf(name)] = value;
  }
}

export class HeaderTables {
  private readonly tables = new Map<string, Record<string, string>>();

  /** The result is valid until the next call. */
  with({ names, values, key }: TableColumns): Record<string, string> {
    const table = this.tables.get(key) ?? this.add(key);
    for (let i = 0; i < names.length; i++) table[names[i]!] = values[i]!;
    return table;
  }

  private add(key: string): Record<string, string> {
    if (this.tables.size >= TABLES_MAX) this.tables.clear();
    // No prototype, so no header name has a meaning in JavaScript
    const table = Object.create(null) as Record<string, string>;
    this.tables.set(key, table);
    return table;
  }
}
