/** Response headers, names in lower case; a header sent several times is a list. */
export type ResponseHeaders = Readonly<
  Record<string, string | string[] | undefined>
>;

/** All values of a header, in the order they came. */
export function headerValues(headers: ResponseHeaders, name: string): string[] {
  const value = headers[name];
  if (value === undefined) return [];
  return typeof value === "string" ? [value] : value;
}

/** The first value of a header. */
export function headerValue(
  headers: ResponseHeaders,
  name: string,
): string | undefined {
  return headerValues(headers, name)[0];
}

/** `Content-Type` in lower case without its parameters; `""` when there is none. */
export function contentType(headers: ResponseHeaders): string {
  const value = headerValue(headers, "content-type") ?? "";
  return (value.split(";", 1)[0] ?? "").trim().toLowerCase();
}

/** `Content-Length` as a number, when it is one. */
export function contentLength(headers: ResponseHeaders): number | undefined {
  const value = headerValue(headers, "content-length")?.trim();
  if (value === undefined || !/^\d{1,15}$/.test(value)) return undefined;
  return Number(value);
}

/** Whether a content coding other than `identity` is declared: lengths then say nothing about the decoded bytes. */
export function hasContentCoding(headers: ResponseHeaders): boolean {
  const value = headerValue(headers, "content-encoding")?.trim().toLowerCase();
  return value !== undefined && value !== "" && value !== "identity";
}
