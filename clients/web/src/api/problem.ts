/** A refusal by the HTTP API (RFC 9457), or the lack of any answer. */
export class Problem extends Error {
  override name = "Problem";

  constructor(
    /** HTTP status; 0: no answer came. */
    readonly status: number,
    /** Stable, from the server's table; `offline` when no answer came. */
    readonly code: string,
    detail: string,
    /** When to try again, ms; 0: not said. */
    readonly afterMs = 0,
  ) {
    super(detail || code);
  }

  static async from(response: Response): Promise<Problem> {
    const after = Number(response.headers.get("Retry-After") ?? "0") * 1000;
    let code = "";
    let detail = "";
    try {
      const body = (await response.json()) as { code?: unknown; detail?: unknown } | null;
      if (typeof body?.code === "string") code = body.code;
      if (typeof body?.detail === "string") detail = body.detail;
    } catch {
      // Not a problem document (a proxy's page, say): the status has to do.
    }
    return new Problem(
      response.status,
      code || `http_${response.status}`,
      detail,
      Number.isFinite(after) ? after : 0,
    );
  }
}
