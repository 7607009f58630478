/** One request at a time for the same subject. Further callers wait for its answer. */
export class SharedAnswers {
  private readonly open = new Map<string, Promise<void>>();

  once(subject: string, ask: () => Promise<void>): Promise<void> {
    let answer = this.open.get(subject);
    if (!answer) {
      answer = ask().finally(() => this.open.delete(subject));
      this.open.set(subject, answer);
    }
    return answer;
  }
}
