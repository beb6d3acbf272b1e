/** `tpull completion SHELL` */
export function completionScript(shell: string): string {
  throw new Error(`no script for ${shell} yet`);
}
