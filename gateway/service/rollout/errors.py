"""What cannot be asked of a rollout."""

from gateway.errors import RequestError


class DeploymentUnknown(RequestError):
    """There is no such deployment."""

    code = "deployment-unknown"
    remedy = "`tender deployments` lists them."


class ReleaseRecalled(RequestError):
    """The release was recalled, and that is for good."""

    code = "release-recalled"
    remedy = "Make another release, with another version; `tender release list` shows what there is."
