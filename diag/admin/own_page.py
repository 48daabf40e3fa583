"""Whether a browser sends a request for a page of this node, or because a page of somebody else made it.

SameSite keeps the session's cookie from other sites, and another port of this very host is no other
site. So what acts needs the browser's own word as well.
"""

from collections.abc import Mapping

from diag.admin.local import is_same_site


def why_not_own_page(method: str, headers: Mapping[str, str]) -> str | None:
    """Why the request is not one of this node's pages, as the rest of a sentence; None when it is.

    Over plain HTTP browsers send no ``Sec-Fetch-Site``; there ``Origin``, or for a GET ``Referer``, says it.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        typed = site == "none" and method in {"GET", "HEAD"}
        return None if site == "same-origin" or typed else f"Sec-Fetch-Site says {site!r}"
    for name in ("origin", "referer"):
        if name in headers:
            same = is_same_site(headers[name], headers.get("host", ""))
            return None if same else f"{name.capitalize()} is {headers[name]!r}"
    return "no header says which page sent it"


def is_a_program(headers: Mapping[str, str]) -> bool:
    """Whether nothing says that a browser sends the request; one that acts for a page of others says so."""
    return {"origin", "sec-fetch-site"}.isdisjoint(headers)
