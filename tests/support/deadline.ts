/** The waits of tests; the broker contract has the same. */
export { eventually, withDeadline } from '../../server/src/contract/test-deadline.js';
