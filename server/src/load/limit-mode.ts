/**
 * The dry run of new limits (`limits.mode`). In the mode `report` a new limit refuses nothing. The log has a line for
 * each refusal that it would have made, and the limit counts them. Limits of earlier versions do not ask here.
 */
import type { Log } from '../process/log.js';

export class LimitMode {
  /** `log` must be paced, because clients decide how often a limit is reached. */
  constructor(
    private readonly mode: 'enforce' | 'report' = 'enforce',
    private readonly log?: Log,
  ) {}

  get isDryRun(): boolean {
    return this.mode === 'report';
  }

  /** True if the caller has to refuse. `limit` is the name of the option. */
  refuses(limit: string, details: object): boolean {
    if (this.mode === 'enforce') return true;
    this.log?.warn(details, `limits.mode report: ${limit} would refuse this`);
    return false;
  }
}
