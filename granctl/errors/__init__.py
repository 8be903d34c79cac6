"""Every fault that granctl reports, one class each; the class writes its own sentence and mend.

    GranctlError
    ├── UserError  (exit 2: what was asked cannot be)
    ├── DataError  (exit 3: what was read is not what it says it is)
    └── RunError   (exit 4: a run cannot go on)

An error has three parts: what is wrong and where (the message), and the mend (`hint`).
The classes stand in one file a room; everybody imports them from here. Any other exception
is a bug of ours: its traceback is shown and the exit code is 70.
"""

from granctl.errors.ground import (
    BadOptionError,
    ManifestMismatchError,
    MissingInputError,
    NothingToUseError,
    OutputExistsError,
    OutputNotWritableError,
    SpecError,
    UnknownDataError,
)
from granctl.errors.root import (
    DataError,
    GranctlError,
    RunError,
    UserError,
    listing,
    near,
)
from granctl.errors.shards import (
    BadImagesError,
    LabelsNotInMapError,
    NoImagesError,
    NoSuchKeyError,
    NoSuchSplitError,
    ShardCorruptError,
    SourceChangedError,
    SourceLayoutError,
    UnsafeLinkError,
)
from granctl.errors.study import (
    CellsFailedError,
    FeaturesMismatchError,
    FeaturesNotFiniteError,
    KeyedApartError,
    MixedResultsError,
    NoFeaturesError,
    NotAResultError,
    NothingToCompareError,
    UnknownStudyError,
    WorkerDiedError,
)
from granctl.errors.train import (
    CheckpointMismatchError,
    NoCheckpointError,
    NoDeviceError,
    NonFiniteLossError,
    NothingToLearnError,
    OtherImagesError,
    TooFewImagesError,
    UnfinishedRunError,
    UnknownRecipeError,
)
from granctl.errors.tree import (
    AmbiguousNameError,
    BadLabelListError,
    BadNodesFileError,
    BeyondTreeError,
    ClusterCountError,
    LabelsNotInTaxonomyError,
    MinImagesError,
    NotCoveredError,
    NothingBelowError,
    TaxonomyFaultsError,
    UnknownListError,
    UnknownNodeError,
    WrongWordNetError,
)

__all__ = [
    "AmbiguousNameError",
    "BadImagesError",
    "BadLabelListError",
    "BadNodesFileError",
    "BadOptionError",
    "BeyondTreeError",
    "CellsFailedError",
    "CheckpointMismatchError",
    "ClusterCountError",
    "DataError",
    "FeaturesMismatchError",
    "FeaturesNotFiniteError",
    "GranctlError",
    "KeyedApartError",
    "LabelsNotInMapError",
    "LabelsNotInTaxonomyError",
    "ManifestMismatchError",
    "MinImagesError",
    "MissingInputError",
    "MixedResultsError",
    "NoCheckpointError",
    "NoDeviceError",
    "NoFeaturesError",
    "NoImagesError",
    "NoSuchKeyError",
    "NoSuchSplitError",
    "NonFiniteLossError",
    "NotAResultError",
    "NotCoveredError",
    "NothingBelowError",
    "NothingToCompareError",
    "NothingToLearnError",
    "NothingToUseError",
    "OtherImagesError",
    "OutputExistsError",
    "OutputNotWritableError",
    "RunError",
    "ShardCorruptError",
    "SourceChangedError",
    "SourceLayoutError",
    "SpecError",
    "TaxonomyFaultsError",
    "TooFewImagesError",
    "UnfinishedRunError",
    "UnknownDataError",
    "UnknownListError",
    "UnknownNodeError",
    "UnknownRecipeError",
    "UnknownStudyError",
    "UnsafeLinkError",
    "UserError",
    "WorkerDiedError",
    "WrongWordNetError",
    "listing",
    "near",
]
