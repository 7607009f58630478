/** Readable numbers and times. */
const number = new Intl.NumberFormat(undefined, { maximumSignificantDigits: 6 });
const whole = new Intl.NumberFormat();

export function formatNumber(value: number): string {
  return Number.isNaN(value) ? '–' : number.format(value);
}

export function formatCount(count: number): string {
  return whole.format(count);
}

/** `at` is epoch ms. */
export function formatTime(at: number): string {
  return new Date(at).toLocaleTimeString(undefined, { hour12: false });
}
