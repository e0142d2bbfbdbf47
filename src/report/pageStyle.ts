/** What the HTML pages of reports have in common. */

/** Where a browser has to draw tens of thousands of bars it is of no use; the first ones show the shape. */
export const BARS_MAX = 2_000;

/** A style sheet for the head of a page. */
export const PAGE_STYLE = `body{font:14px/1.5 system-ui,sans-serif;max-width:980px;margin:2em auto;padding:0 1em;color:#222}
table{border-collapse:collapse}td,th{padding:.25em .8em;border-bottom:1px solid #ddd;text-align:right}td:first-child,th:first-child{text-align:left}
svg{display:block;max-width:100%;height:auto}svg text{font-size:11px;fill:#555}.key{display:inline-block;width:1em;height:.7em;margin:0 .4em 0 1em}
h3{font-weight:normal;margin:.8em 0 0}code{overflow-wrap:anywhere}`;
