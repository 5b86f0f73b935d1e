"""The annotations by which objects say who has made them, and who has changed them."""

from __future__ import annotations

from typing import Final

ANNOTATION_AUTHOR: Final = "marquee.dev/author"
"""At admission it must be the authenticated user's name, and it never changes."""

ANNOTATION_EDITOR: Final = "marquee.dev/editor"
"""Of a MarketingModel: who has changed last what approvals are about; of a PromotionFreeze: who has changed it last.
At admission it must be the authenticated user's name."""
