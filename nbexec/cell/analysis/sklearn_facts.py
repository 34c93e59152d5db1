"""Facts about what scikit-learn's estimators and functions do, by name: data."""

from __future__ import annotations

from .library_facts import words

# Classes that these facts are about, with those made from them: an estimator, a splitter.
CLASSES = {"BaseEstimator", "BaseCrossValidator", "BaseShuffleSplit", "_BaseKFold"}

# Methods that leave the estimator as it is, and give something new.
NEW = words("""
    aic apply bic decision_function decision_path error_norm get_covariance get_depth
    get_feature_names_out get_n_leaves get_n_splits get_precision get_support kneighbors
    kneighbors_graph mahalanobis perplexity predict predict_joint_log_proba
    predict_log_proba predict_proba radius_neighbors radius_neighbors_graph
    reconstruction_error score score_samples split staged_decision_function staged_predict
    staged_predict_proba staged_score
""")
# Those that may give what they are given, or a part of the estimator.
LINKED = words("inverse_transform transform")
PARTS = words("get_params get_metadata_routing")
# Those that change the estimator and give it: it must be the iteration's own.
GIVES_ITSELF = words("""
    fit partial_fit set_fit_request set_output set_params set_score_request
""")
CHANGES_AND_GIVES = words("fit_predict fit_transform")

# Attributes of a fitted estimator that are numbers.
NUMBERS = words("""
    alpha_ best_score_ best_index_ bic_ C_ cluster_centers_ coef_ components_ cv_values_
    dual_coef_ explained_variance_ explained_variance_ratio_ feature_importances_ inertia_
    intercept_ labels_ lambda_ lower_bound_ mean_ means_ n_clusters_ n_features_in_ n_iter_
    oob_score_ precisions_ scale_ scores_ singular_values_ support_ var_ weights_
""")

ESTIMATORS = words("best_estimator_ estimator_ final_estimator_ init_")

# They draw random numbers when they are used, not only when they are fitted.
DRAWS_WHEN_USED = words("BernoulliRBM DummyClassifier IterativeImputer")

# Without a `random_state` they draw from a generator of the whole process, unless these
# options, by default or by what is given, are such that they don't: the option, and values.
DRAWS_NOT: dict[str, tuple[str, tuple[object, ...]]] = {
    "GroupKFold": ("shuffle", (None, False)),
    "KFold": ("shuffle", (None, False)),
    "KernelPCA": ("eigen_solver", ("dense",)),
    "LogisticRegression": ("solver", (None, "lbfgs", "newton-cg", "newton-cholesky")),
    "LogisticRegressionCV": ("solver", (None, "lbfgs", "newton-cg", "newton-cholesky")),
    "PCA": ("svd_solver", ("full", "covariance_eigh")),
    "Ridge": ("solver", (None, "auto", "svd", "cholesky", "lsqr", "sparse_cg", "lbfgs")),
    "RidgeClassifier": ("solver", (None, "auto", "svd", "cholesky", "lsqr", "sparse_cg", "lbfgs")),
    "StratifiedKFold": ("shuffle", (None, False)),
    "train_test_split": ("shuffle", (False,)),
    "learning_curve": ("shuffle", (None, False)),
}
# They draw from that generator whatever they are given.
DRAWS_ALWAYS = words("GraphicalLasso GraphicalLassoCV NuSVR OneClassSVM SVR")
# They add up numbers in an order that depends on how many threads they may use, which in
# workers are fewer: the last digits differ.
THREADED = words("""
    BisectingKMeans HistGradientBoostingClassifier HistGradientBoostingRegressor KMeans
    MiniBatchKMeans
""")
SEEDS = ("random_state", "seed", "rng")
# With one of these not true they may change what they are given.
COPYING = ("copy", "copy_X", "copy_x")

# Functions whose result is new; a pattern for all of a module.
FUNCTIONS_NEW = words("""
    sklearn.metrics.* sklearn.model_selection._split.train_test_split
    sklearn.model_selection._validation.cross_val_predict
    sklearn.model_selection._validation.cross_val_score
    sklearn.model_selection._validation.cross_validate
    sklearn.model_selection._validation.learning_curve
    sklearn.model_selection._validation.validation_curve
    sklearn.datasets._samples_generator.*
""")
# Functions that fit copies of the estimator that they are given.
FITTING = words("""
    sklearn.model_selection._validation.cross_val_predict
    sklearn.model_selection._validation.cross_val_score
    sklearn.model_selection._validation.cross_validate
    sklearn.model_selection._validation.learning_curve
    sklearn.model_selection._validation.validation_curve
    sklearn.base.clone
""")
# Functions that make an estimator: of parts that it keeps, or a copy.
MAKES = {
    "sklearn.base.clone": False,
    "sklearn.compose._column_transformer.make_column_transformer": True,
    "sklearn.pipeline.make_pipeline": True,
    "sklearn.pipeline.make_union": True,
}
