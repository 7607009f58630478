/** The waits of tests, shared with the broker contract. */
export { eventually, withDeadline } from '../../server/src/contract/test-deadline.js';
