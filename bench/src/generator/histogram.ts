/** Log-linear histogram of whole microseconds: 64 steps per power of two, so the error is at most 1.6 %. */
const STEP_BITS = 6;
const STEPS = 1 << STEP_BITS;
const MAX = 2 ** 31 - 1;

export class Histogram {
  max = 0;
  private total = 0;
  private readonly counts = new Float64Array((32 - STEP_BITS + 1) << STEP_BITS);

  add(micros: number): void {
    const value = micros < 0 ? 0 : micros > MAX ? MAX : micros | 0;
    const shift = value < STEPS ? 0 : 31 - Math.clz32(value) - STEP_BITS;
    const index = value < STEPS ? value : ((shift + 1) << STEP_BITS) + ((value >> shift) & (STEPS - 1));
    this.counts[index] = (this.counts[index] ?? 0) + 1;
    this.total += 1;
    if (value > this.max) this.max = value;
  }

  quantile(share: number): number {
    const rank = Math.max(1, Math.round(share * this.total));
    let seen = 0;
    for (const [index, count] of this.counts.entries()) {
      seen += count;
      if (seen < rank) continue;
      const shift = (index >> STEP_BITS) - 1;
      return shift < 0 ? index : (STEPS | (index & (STEPS - 1))) * 2 ** shift;
    }
    return 0;
  }
}
