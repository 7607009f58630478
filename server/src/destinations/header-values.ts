/** Reads the values of headers. Each reader throws a HeaderError that names the allowed values. */

/** `message` has the header, its value and the allowed values. */
export class HeaderError extends Error {
  override readonly name = 'HeaderError';
  readonly code = 'invalid-header';
}

export function integer(min: number, max: number) {
  return (name: string, value: string): number => {
    const number = /^-?\d{1,16}$/.test(value) ? Number(value) : NaN;
    if (number >= min && number <= max) return number;
    throw invalid(name, value, `a whole number from ${min} to ${max}`);
  };
}

export function boolean(name: string, value: string): boolean {
  if (value === 'true' || value === 'True') return true;
  if (value === 'false' || value === 'False') return false;
  throw invalid(name, value, 'true or false');
}

export function oneOf<T extends string>(...choices: readonly T[]) {
  return (name: string, value: string): T => {
    const choice = choices.find((each) => each === value);
    if (choice !== undefined) return choice;
    throw invalid(name, value, `one of ${choices.join(', ')}`);
  };
}

export function invalid(name: string, value: string, allowed: string): HeaderError {
  const header = name.length > 60 ? `${name.slice(0, 60)}...` : name;
  return new HeaderError(`The header ${header}:${value.slice(0, 60)} is not valid: its value must be ${allowed}.`);
}
